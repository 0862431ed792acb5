"""How far is the score that is estimated without labels from the one that labels show, and when is it trusted?

    python -m benchmarks.monitoring.estimate --scratch FOLDER --data FOLDER_OF_INDEX
    python -m benchmarks.monitoring.estimate --scratch FOLDER --data FOLDER_OF_INDEX --only adult --repeats 1

Streams: the first half fits, the rest goes by in order, window by window. Tabular sets: windows of unseen rows with a
planted shift of the rows (more of the sure or the unsure answers, more of the high values of a column, more of one
level), or none. Windows of 200 to 2,000 rows, whose labels are hidden. An error is that of the estimate against the
score of the very labels of the window, and so holds the chance in these labels too; relative to the reference's score
for metrics where less is better. Beside it: the error of saying that nothing has changed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automl.data.dataset import Array
from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.hooks import read_source
from automl.metrics import Metric, find_metric
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.store import Store
from automl_monitoring.checks.estimate import estimate_score
from automl_monitoring.trust import thin_reference
from automl_monitoring.window import Side, reference_side, window_side
from benchmarks.monitoring.subjects import answered

STREAMS = {"elec2": ("date", "nswprice"), "weather_noaa": (), "bike_hour": ("instant",)}  # columns left out
TABULAR = ("adult", "telco_churn", "hr_job_change", "german_credit", "mammography", "satellite", "wildlife_strikes")
NUMBERS = ("california_housing", "diamonds", "hotel_rates")
SIZES = (200, 500, 1_000, 2_000)
FIT_ROWS, UNSEEN_ROWS, SEARCH_S, TRIALS = 6_000, 12_000, 60.0, 2
TILT = 1.0  # by how much a standard deviation raises the log of the chance to be drawn
FURTHER = ("log_loss", "accuracy"), ("rmse", "mae")
DOUBTS = {"so few rows": "few rows", "outside": "new rows", "along": "not steady", "even meet": "reference not met"}


@dataclass(frozen=True)
class Known:
    """A set: its reference, and unseen rows with their labels."""

    name: str
    model: Model
    reference: Side
    unseen: Side


@dataclass(frozen=True)
class Result:
    """One window: its shift, whether the estimate was trusted, its error, that of no change, and whether the score by
    labels lay within the estimate's interval."""

    name: str
    metric: str
    rows: int
    shift: str
    trusted: bool
    error: float
    no_change: float
    held: bool
    doubts: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the folder of index.csv")
    parser.add_argument("--only", nargs="*", default=[*STREAMS, *TABULAR, *NUMBERS])
    parser.add_argument("--repeats", type=int, default=2, help="windows of each shift and size")
    arguments = parser.parse_args()
    results: list[Result] = []
    for name in arguments.only:
        known = _known(name, arguments.scratch, arguments.data)
        if why := thin_reference(known.reference):
            print(f"{name}: not trusted at all, {why}", file=sys.stderr)
            continue
        found = [each for metric in _metrics(known) for each in _results(known, metric, arguments.repeats)]
        print(table(found), file=sys.stderr)
        results += found
    print(table(results))


def table(results: Sequence[Result]) -> str:
    """Markdown: a line for each metric over all sets, then for each set and metric."""
    lines = ["| set | metric | windows | trusted | error | no change | interval held | error if not trusted | doubts |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    metrics = list(dict.fromkeys(result.metric for result in results))
    lines += [_line("all", metric, [each for each in results if each.metric == metric]) for metric in metrics]
    for name in dict.fromkeys(result.name for result in results):
        for metric in metrics:
            chosen = [each for each in results if (each.name, each.metric) == (name, metric)]
            lines += [_line(name, metric, chosen)] if chosen else []
    return "\n".join(lines)


def _line(name: str, metric: str, results: Sequence[Result]) -> str:
    trusted = [each for each in results if each.trusted]
    others = [each for each in results if not each.trusted]
    reasons = Counter(_short(doubt) for each in others for doubt in each.doubts)
    told = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(2))
    cells = [name, metric, str(len(results)), f"{len(trusted) / len(results):.0%}"]
    cells += [_mean([each.error for each in trusted]), _mean([each.no_change for each in trusted])]
    cells += [f"{np.mean([each.held for each in trusted]):.0%}" if trusted else "–"]
    cells += [_mean([each.error for each in others]), told]
    return f"| {' | '.join(cells)} |"


def _short(doubt: str) -> str:
    """A doubt in two words."""
    return next((short for part, short in DOUBTS.items() if part in doubt), doubt)


def _mean(errors: Sequence[float]) -> str:
    return f"{np.nanmean(errors):.4f}" if len(errors) and np.isfinite(errors).any() else "–"


def _metrics(known: Known) -> list[Metric]:
    """The set's own metric, ROC AUC, and others of its kind."""
    names = [*(["roc_auc"] if known.reference.outputs.ndim == 2 else []), known.model.problem.metric]
    names += FURTHER[known.reference.outputs.ndim == 1]
    return [find_metric(name) for name in dict.fromkeys(names)]


def _results(known: Known, metric: Metric, repeats: int) -> Iterator[Result]:
    before = metric.score(*known.reference.scored)
    unit = 1.0 if metric.higher_is_better else abs(before)
    for size in SIZES:
        if 3 * size > len(known.unseen):
            continue
        for shift, rows in _windows(known, size, repeats):
            window = known.unseen.take(rows)
            real = metric.score(*window.scored)
            unlabelled = np.full_like(window.target, -1 if window.target.dtype.kind == "i" else np.nan)
            found = estimate_score(metric, known.reference, replace(window, target=unlabelled), 50)
            if found is None or not np.isfinite(real):
                continue
            yield Result(
                known.name,
                metric.name,
                size,
                shift,
                not found.doubts,
                abs(found.score - real) / unit,
                abs(before - real) / unit,
                found.low <= real <= found.high,
                found.doubts,
            )


def _windows(known: Known, size: int, repeats: int) -> Iterator[tuple[str, Array]]:
    """(shift, positions) of windows of unseen rows."""
    unseen, rng = known.unseen, np.random.default_rng(size)
    if known.name in STREAMS:
        starts = np.linspace(0, len(unseen) - size, min(4 * repeats, len(unseen) // size)).astype(int)
        yield from (("in order", np.arange(start, start + size)) for start in starts)
        return
    for shift, tilt in _tilts(unseen).items():
        for _ in range(repeats):
            yield shift, np.argsort(-(tilt + rng.gumbel(size=len(unseen))))[:size]  # drawn by exp(tilt), each once


def _tilts(unseen: Side) -> dict[str, Array]:
    """The log of how much likelier each row is drawn, by shift."""
    outputs = unseen.outputs
    sure = _standard(outputs if outputs.ndim == 1 else outputs.max(axis=1))
    tilts = {"none": np.zeros(len(unseen)), "sure or high": TILT * sure, "unsure or low": -TILT * sure}
    numbers = [name for name, values in unseen.features.items() if values.dtype.kind == "f" and np.nanstd(values) > 0]
    for name in numbers[:3]:
        tilts[f"more {name}"] = TILT * np.clip(_standard(unseen.features[name]), -3, 3)
    for name in [name for name, values in unseen.features.items() if values.dtype.kind != "f"][:3]:
        levels, counts = np.unique(unseen.features[name].astype(str), return_counts=True)
        second = levels[np.argsort(-counts)[min(1, len(levels) - 1)]]
        tilts[f"{name} {second}"] = np.where(unseen.features[name].astype(str) == second, 2 * TILT, 0.0)
    return tilts


def _standard(values: Array) -> Array:
    filled = np.where(np.isfinite(values), values, np.nanmedian(values))
    return (filled - filled.mean()) / max(float(filled.std()), 1e-12)


def _known(name: str, scratch: Path, data: Path) -> Known:
    """The model of a set, fitted once per scratch folder, and what it says of unseen rows."""
    with (data / "index.csv").open(encoding="utf-8") as file:
        entry = next(row for row in csv.DictReader(file) if row["name"] == name)
    frame = read_source(data / entry["file"]).frame
    frame = frame[[bool(str(cell).strip()) for cell in frame[entry["target"]]]].drop(
        columns=list(STREAMS.get(name, ()))
    )
    if name not in STREAMS:
        frame = frame.sample(frac=1, random_state=0)
    frame = frame.reset_index(drop=True)
    cut = len(frame) // 2 if name in STREAMS else min(len(frame) // 2, FIT_ROWS)
    store = Store(scratch / f"{name}_{cut}")
    if name not in store.versions.names():
        request = FitRequest(
            entry["target"],
            task=entry["task"],
            metric=entry["metric"],
            name=name,
            seconds=SEARCH_S,
            max_trials=TRIALS,
            split=None if name in STREAMS else "random",
            executor="inline",
        )
        fit_table(Table(frame.head(cut), name=name), request, store)
    version = store.versions.find(name)
    model = load_model(version.folder)
    rest = frame.iloc[cut:] if name in STREAMS else frame.iloc[cut : cut + UNSEEN_ROWS]
    labels = rest[entry["target"]].tolist()
    entries = [replace(each, label=label) for each, label in zip(answered(model, version, rest), labels, strict=True)]
    return Known(name, model, reference_side(model, version.folder), window_side(model, entries))


if __name__ == "__main__":
    main()
