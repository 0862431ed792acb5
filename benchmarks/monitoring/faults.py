"""Planted faults: is each noticed, how soon, and are the diagnosis and the action right?

    python -m benchmarks.monitoring.faults --scratch FOLDER --data FOLDER_OF_INDEX --sets telco_churn adult
    python -m benchmarks.monitoring.faults --scratch FOLDER --data FOLDER_OF_INDEX --repeats 2   # shorter

Really fitted models; rows that they never saw come in windows, two fifths of them labelled, first some quiet windows,
then up to five with the fault. Noticed: a verdict watch or act because of it. Right: broken data block (an alert, no
retraining), a shift of the population or of the concept does not, and a column that the model ignores never leads to
act.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automl_monitoring.checking import Check
from automl_monitoring.checks.subject import Past
from automl_monitoring.usage import usage_share
from benchmarks.monitoring.subjects import START, Fitted, answered, check_of, fitted, past_of_check, timed, wilson

SETS = ("telco_churn", "adult", "california_housing", "hr_job_change", "diamonds", "hotel_rates")
FIT_ROWS = {"telco_churn": 2_400}  # of 7,043: windows of 2,000 are drawn from the others
SIZES = (500, 2_000)
QUIET_WINDOWS, FAULTY_WINDOWS = 6, 5
LABELLED = 0.4
WINDOW_S = 900.0
USED, UNUSED = 0.1, 0.015  # usage of a column that a fault is planted in, and of one that the model ignores


@dataclass
class Window:
    """Raw rows with their labels, how many of these have come, and the seconds that the rows took."""

    rows: pd.DataFrame
    labels: list[Any]
    labelled: float = LABELLED
    seconds: float = WINDOW_S


@dataclass(frozen=True)
class Bench:
    """A fitted model, its columns by kind and use, and chance."""

    subject: Fitted
    usage: dict[str, float]
    rng: np.random.Generator

    def column(self, *kinds: str, ignored: bool = False) -> str | None:
        """A column of such a kind that the model uses, or ignores; None if there is none."""
        schema = self.subject.model.schema
        names = [column.name for column in schema.of_kind(*kinds)]  # type: ignore[arg-type]
        names = [name for name in names if (self.usage[name] < UNUSED if ignored else self.usage[name] >= USED)]
        several = [name for name in names if self.subject.rows[name].value_counts(normalize=True).iloc[0] < 0.9]
        return str(self.rng.choice(several)) if several else None

    def draw(self, size: int, weights: np.ndarray[Any, Any] | None = None) -> Window:
        """Rows at random, by weight if given."""
        chance = None if weights is None else weights / weights.sum()
        places = self.rng.choice(len(self.subject.rows), size, replace=False, p=chance)
        return Window(
            self.subject.rows.iloc[places].reset_index(drop=True), [self.subject.labels[place] for place in places]
        )


Plant = Callable[[Bench, int, int], Window | None]  # (bench, rows, how many faulty windows came before)


def units(bench: Bench, size: int, place: int) -> Window | None:
    window, name = bench.draw(size), bench.column("number")
    return None if name is None else _with(window, name, _numbers(window.rows[name]) * 1_000)


def nulls(bench: Bench, size: int, place: int) -> Window | None:
    window, name = bench.draw(size), bench.column("number", "category", "boolean")
    if name is None or _numbers(bench.subject.rows[name].isin(["", "?"])).mean() > 0.02:
        return None
    return _with(window, name, window.rows[name].mask(bench.rng.random(size) < 0.2, None))


def constant(bench: Bench, size: int, place: int) -> Window | None:
    window, name = bench.draw(size), bench.column("number", "category", "boolean")
    if name is None:
        return None
    rows = bench.subject.rows[name]
    return _with(window, name, pd.Series([rows[rows.str.strip() != ""].mode().iloc[0]] * size))


def renamed(bench: Bench, size: int, place: int) -> Window | None:
    window, name = bench.draw(size), bench.column("category")
    if name is None:
        return None
    common = bench.subject.rows[name].value_counts(normalize=True)
    level = bench.rng.choice(common.index[common >= 0.05].to_numpy())
    return _with(window, name, window.rows[name].replace(level, "something else"))


def shuffled(bench: Bench, size: int, place: int) -> Window | None:
    """A third of the columns, used ones first, joined to the wrong rows."""
    window = bench.draw(size)
    names = sorted(bench.usage, key=lambda name: -bench.usage[name])[::2][: max(len(bench.usage) // 3, 2)]
    order = bench.rng.permutation(size)
    return replace(window, rows=window.rows.assign(**{name: window.rows[name].to_numpy()[order] for name in names}))


def covariate(bench: Bench, size: int, place: int) -> Window | None:
    """The rows become others: those with large values of a used column come more often."""
    name = bench.column("number") or bench.column("category")
    if name is None:
        return None
    ranks = pd.Series(_codes(bench.subject.rows[name])).rank(pct=True).fillna(0.5).to_numpy()
    return bench.draw(size, np.exp(2.5 * ranks))


def prior(bench: Bench, size: int, place: int) -> Window | None:
    """The classes, or high and low values, change their shares."""
    labels = pd.Series(_codes(pd.Series(bench.subject.labels)))
    if bench.subject.model.schema.task == "classify":
        rare = labels.map(labels.value_counts(normalize=True)).to_numpy()
        weights = np.where(rare == rare.min(), 4.0, 1.0)
    else:
        weights = np.exp(2.0 * labels.rank(pct=True).to_numpy())
    return bench.draw(size, weights)


def sudden(bench: Bench, size: int, place: int) -> Window | None:
    return _wrong(bench, bench.draw(size), 1.0)


def gradual(bench: Bench, size: int, place: int) -> Window | None:
    return _wrong(bench, bench.draw(size), (place + 1) / FAULTY_WINDOWS)


def recurring(bench: Bench, size: int, place: int) -> Window | None:
    return _wrong(bench, bench.draw(size), 1.0 if place % 2 == 0 else 0.0)


def label_delay(bench: Bench, size: int, place: int) -> Window | None:
    return replace(bench.draw(size), labelled=0.0)


def outage(bench: Bench, size: int, place: int) -> Window | None:
    """Half of the rows do not come: any, or those of one level."""
    name = bench.column("category")
    if name is None or bench.rng.random() < 0.5:
        return replace(bench.draw(size), seconds=2 * WINDOW_S)
    common = bench.subject.rows[name].value_counts(normalize=True)
    common = common[(common >= 0.1) & (common <= 0.45) & (common.index.str.strip() != "")]
    if common.empty:
        return replace(bench.draw(size), seconds=2 * WINDOW_S)
    level = common.index[0]
    kept = bench.draw(size, (bench.subject.rows[name] != level).to_numpy().astype(np.float64))
    return replace(kept, seconds=WINDOW_S / (1 - float(common.iloc[0])))


def ignored(bench: Bench, size: int, place: int) -> Window | None:
    """A column that the model ignores moves as far as it can."""
    window, name = bench.draw(size), bench.column("number", "category", "boolean", ignored=True)
    if name is None:
        return None
    rows = bench.subject.rows[name]
    if bench.rng.random() < 0.5:
        return _with(window, name, pd.Series([rows.value_counts().index[-1]] * size))
    return _with(window, name, rows.sort_values().tail(size).reset_index(drop=True))


@dataclass(frozen=True)
class Expected:
    """`blocks`: are the data broken? `act`: may or must the verdict be act? None leaves it open. `checks`: which of
    them must have said it; `word`: what must stand in the reasons."""

    plant: Plant
    blocks: bool
    act: bool | None
    checks: tuple[str, ...]
    word: str = ""


FAULTS = {
    "units × 1,000": Expected(units, True, True, ("quality",), "unit"),
    "nulls 1 → 20%": Expected(nulls, True, True, ("quality",), "missing"),
    "constant": Expected(constant, True, True, ("quality",), "in all"),
    "level renamed": Expected(renamed, True, True, ("quality",), "renamed"),
    "shuffled join": Expected(shuffled, True, True, ("quality",), "join"),
    "partial outage": Expected(outage, True, True, ("quality",), "source down"),
    "covariate shift": Expected(covariate, False, None, ("drift", "together", "answers"), "moved"),
    "prior shift": Expected(prior, False, None, ("drift", "together", "answers", "performance", "estimate")),
    "concept, sudden": Expected(sudden, False, True, ("performance",)),
    "concept, gradual": Expected(gradual, False, True, ("performance",)),
    "concept, recurring": Expected(recurring, False, True, ("performance",)),
    "labels late": Expected(label_delay, False, False, ("quality",), "late"),
    "ignored column": Expected(ignored, False, False, ("drift", "quality", "together")),
}


@dataclass(frozen=True)
class Outcome:
    """`delay`: windows until it was noticed, 0 for the first; None if never. `right`: diagnosis and action in the
    window that noticed it; `ever_wrong`: a wrong action in any window."""

    delay: int | None
    right: bool
    wrong: bool


def main() -> None:
    arguments = _arguments()
    found: dict[tuple[str, int], list[Outcome]] = defaultdict(list)
    for name in arguments.sets:
        subject = fitted(name, arguments.scratch, arguments.data, FIT_ROWS.get(name, 4_000))
        bench = Bench(subject, _usage(subject), np.random.default_rng(arguments.seed))
        for size in SIZES:
            past = _quiet(bench, size)
            for fault in arguments.faults or FAULTS:
                outcomes = [_planted(bench, fault, size, past, arguments.verbose) for _ in range(arguments.repeats)]
                found[fault, size] += [outcome for outcome in outcomes if outcome is not None]
            print(f"{name}, {size} rows: done", file=sys.stderr)
    print(_table(found))


def _planted(bench: Bench, fault: str, size: int, past: Sequence[Past], verbose: bool) -> Outcome | None:
    expected, seen = FAULTS[fault], list(past)
    noticed, right, wrong = None, False, False
    for place in range(FAULTY_WINDOWS):
        window = expected.plant(bench, size, place)
        if window is None:
            return None
        check = _check(bench, window, seen)
        seen.append(past_of_check(check))
        grave = [each for each in check.findings if each.verdict in ("watch", "act") and each.check in expected.checks]
        wrong |= check.blocks and not expected.blocks
        wrong |= check.verdict == "act" and expected.act is False
        if grave and noticed is None:
            noticed = place
            action = (check.blocks, check.verdict == "act")
            right = action[0] == expected.blocks and expected.act in (None, action[1])
            right &= any(expected.word in each.what for each in grave)
        settled = noticed is not None and right and fault != "concept, recurring"
        if settled or (place == 2 and fault != "concept, gradual"):
            break
    if verbose and (noticed is None or not right or wrong):
        print(f"{bench.subject.name} {size} {fault}: {check.verdict} {check.reasons}", file=sys.stderr)
    return Outcome(noticed, right, wrong)


def _check(bench: Bench, window: Window, past: Sequence[Past]) -> Check:
    entries = answered(bench.subject.model, bench.subject.version, window.rows)
    known = bench.rng.random(len(entries)) < window.labelled
    labels = [str(label) if there else None for label, there in zip(window.labels, known, strict=True)]
    entries = [replace(entry, label=label) for entry, label in zip(entries, labels, strict=True)]
    seconds = window.seconds * float(bench.rng.uniform(0.9, 1.1))
    begin = START + timedelta(seconds=1.2 * WINDOW_S * len(past))
    return check_of(bench.subject, timed(entries, begin, seconds), past)


def _quiet(bench: Bench, size: int) -> list[Past]:
    past: list[Past] = []
    for _ in range(QUIET_WINDOWS):
        past.append(past_of_check(_check(bench, bench.draw(size), past)))
    return past


def _wrong(bench: Bench, window: Window, share: float) -> Window:
    """Labels of so many rows are those of other rows, and no more what the cells say."""
    labels = np.array(window.labels, dtype=object)
    moved = np.flatnonzero(bench.rng.random(len(labels)) < share)
    labels[moved] = labels[bench.rng.permutation(moved)]
    return replace(window, labels=labels.tolist())


def _with(window: Window, name: str, cells: Any) -> Window:
    shown = [None if pd.isna(cell) else str(cell) for cell in cells]
    return replace(window, rows=window.rows.assign(**{name: pd.Series(shown, dtype=object)}))


def _numbers(cells: Any) -> Any:
    return pd.to_numeric(cells, errors="coerce")


def _codes(cells: pd.Series[Any]) -> Any:
    numbers = _numbers(cells)
    return pd.factorize(cells)[0] if numbers.isna().mean() > 0.5 else numbers.to_numpy()


def _usage(subject: Fitted) -> dict[str, float]:
    names = [column.name for column in subject.model.schema.used]
    return {name: usage_share(subject.model, subject.reference.rows, {name}) for name in names}


def _table(found: dict[tuple[str, int], list[Outcome]]) -> str:
    lines = [
        "| fault | rows | tries | noticed | mean delay (windows) | diagnosis and action right | a wrong action |",
        "|---|---|---|---|---|---|---|",
    ]
    for (fault, size), outcomes in sorted(found.items(), key=lambda item: (list(FAULTS).index(item[0][0]), item[0][1])):
        lines.append(_line(fault, f"{size:,}", outcomes))
    lines.append(_line("**all**", "", [outcome for outcomes in found.values() for outcome in outcomes]))
    return "\n".join(lines)


def _line(fault: str, size: str, outcomes: Sequence[Outcome]) -> str:
    delays = [outcome.delay for outcome in outcomes if outcome.delay is not None]
    delay = f"{np.mean(delays):.2f}" if delays else "–"
    many = len(outcomes)
    cells = [str(many), wilson(len(delays), many), delay]
    cells += [wilson(sum(each.right for each in outcomes), many), wilson(sum(each.wrong for each in outcomes), many)]
    return f"| {fault} | {size} | " + " | ".join(cells) + " |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True, help="where fitted models are kept")
    parser.add_argument("--data", type=Path, required=True, help="the folder of index.csv")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--faults", nargs="*", help="only these faults")
    parser.add_argument("--repeats", type=int, default=4, help="of each fault, set and size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
