"""Does the gate let the right challengers through? Retrainings on broken labels, and on a world that really changed.

    OMP_NUM_THREADS=1 python benchmarks/monitoring/gate.py --tries 50

Each try fits a champion on 600 rows of a made-up problem, logs what it answers to 300 more, labels them as the scenario
has it, and retrains, all through the public stages. Budgets are small (one trial, in process): the gate does not know
how long a challenger was searched. Printed: how many were promoted, and by which part of the gate the others were kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.errors import DataError
from automl.model.artifact import load_model
from automl.model.logged import log_entries
from automl.store import Store
from automl_monitoring.policy import Policy, RetrainPolicy
from automl_monitoring.retraining import retrain

OLD, NEW = 600, 300
TRIALS = 1
POLICY = Policy(retrain=RetrainPolicy(time="60s", least_labels=100))
METRICS = ("roc_auc", "log_loss", "accuracy")


@dataclass(frozen=True)
class Scenario:
    """`spoil` changes the labelled new rows (and their cells) of a try; `flips`: has the concept changed in them?

    `halved`: half the rows of the champion are lost. `least`: the share of all tries that must end in a promotion; 0 is
    none at all.
    """

    name: str
    spoil: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
    flips: bool = False
    halved: bool = False
    least: float = 0.0


def shuffled(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(y=rng.permutation(rows["y"].to_numpy()))


def leaked(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(note=np.where(rows["y"] == "yes", 1.0, 0.0))


def one_class(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows[rows["y"] == "yes"].reset_index(drop=True)


def untouched(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows


SCENARIOS = (
    Scenario("labels shuffled", shuffled),
    Scenario("leaked column", leaked),
    Scenario("one-class window", one_class),
    Scenario("half the rows", untouched, halved=True),
    Scenario("truly better", untouched, flips=True, least=0.9),
)


def problem(rng: np.random.Generator, rows: int, changed: bool = False) -> pd.DataFrame:
    """Four numbers and a category, two of which decide; `note` never does. Changed: they decide the other way round."""
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd"))
    frame["kind"] = rng.choice(["red", "green", "blue"], rows)
    frame["note"] = rng.integers(2, size=rows).astype(float)
    score = 1.5 * frame["a"] - frame["b"] + 0.8 * (frame["kind"] == "red") + rng.normal(size=rows)
    frame["y"] = np.where((-score if changed else score) > 0, "yes", "no")
    return frame


def halve(store: Store, run: str) -> None:
    """Lose half the rows that the champion was fitted on."""
    path = store.runs_folder / run / "table.parquet"
    pd.read_parquet(path).iloc[::2].reset_index(drop=True).to_parquet(path, index=False)


def champion(seed: int) -> Store:
    """A store with a model `m` of the problem of this seed."""
    request = FitRequest(
        target="y", name="m", seconds=60, max_trials=TRIALS, executor="inline", seed=seed,
        metric=METRICS[seed % len(METRICS)],
    )  # fmt: skip
    store = Store(tempfile.mkdtemp(prefix="gate-"))
    fit_table(Table(problem(np.random.default_rng(seed), OLD)), request, store)
    return store


def attempt(folder: Path, scenario: Scenario, seed: int) -> str:
    """Promoted, or by which part of the gate, or by which refusal, the champion of this store was kept."""
    rng = np.random.default_rng(10_000 + seed)
    store = Store(folder)
    try:
        version = store.versions.find("m")
        if scenario.halved:
            halve(store, version.run)
        model = load_model(version.folder)
        rows = scenario.spoil(problem(rng, NEW, scenario.flips), rng)
        cells = rows.drop(columns="y")
        entries = log_entries(model, ("m", version.number), cells.to_dict("records"), model.answer(cells))
        store.log.write(entries)
        store.log.add_labels("m", zip([entry.id for entry in entries], rows["y"], strict=True), "file labels.csv")
        outcome = retrain(store, "m", POLICY, max_trials=TRIALS, executor="inline")
        failed = [part["name"] for part in outcome.parts if not part["passed"]]
        return "promoted" if outcome.promoted else "+".join(failed)
    except DataError:
        return "refused"
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--only", nargs="+", default=[scenario.name for scenario in SCENARIOS], help="some scenarios")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if scenario.name in options.only]
    ends: dict[str, Counter[str]] = {scenario.name: Counter() for scenario in chosen}
    for seed in range(options.tries):
        home = champion(seed)
        home.close()
        for scenario in chosen:
            copy = Path(tempfile.mkdtemp(prefix="gate-")) / "store"
            shutil.copytree(home.folder, copy)
            end = attempt(copy, scenario, seed)
            ends[scenario.name][end] += 1
            print(f"{seed + 1} of {options.tries}, {scenario.name}: {end}", file=sys.stderr, flush=True)
            shutil.rmtree(copy.parent)
        shutil.rmtree(home.folder)
    print("| scenario | tries | promoted | asked | kept by |")
    print("|---|---|---|---|---|")
    for scenario in chosen:
        counts = ends[scenario.name]
        promoted = counts.pop("promoted", 0)
        asked = f"at least {scenario.least:.0%}" if scenario.least else "none"
        kept = ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "–"
        print(f"| {scenario.name} | {options.tries} | {promoted} | {asked} | {kept} |")


if __name__ == "__main__":
    main()
