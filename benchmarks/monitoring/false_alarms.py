"""How often does a check raise a false alarm? Windows of rows that the model never saw, nothing having changed.

    python -m benchmarks.monitoring.false_alarms --scratch FOLDER --data FOLDER_OF_INDEX
    python -m benchmarks.monitoring.false_alarms --scratch FOLDER --windows 120 --evidently 24   # shorter

Made sets (one kind of column each), a text, an image and five tabular sets of the index; windows of 50 to 5,000 rows,
every second one with labels, one after the other as a watcher sees them. Beside it the default verdict of Evidently's
DataDriftPreset on the same rows: the whole set drifted (half of its columns did), and any column drifted.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.monitoring.subjects import MADE, START, Fitted, check_of, fitted, past_of_check, timed, wilson

SIZES = (50, 200, 500, 2_000, 5_000)
TABULAR = ("adult", "california_housing", "hr_job_change", "hotel_rates", "diamonds")
TEXT, IMAGE = "amazon_reviews", "mnist_5k"
FIT_ROWS, IMAGE_ROWS = 4_000, 1_500
WINDOW = timedelta(minutes=15)


def main() -> None:
    arguments = _arguments()
    kinds = [*MADE, *((TEXT, IMAGE, *TABULAR) if arguments.data else ())]
    each = max(arguments.windows // (len(kinds) * len(SIZES)), 1)
    peers = max(arguments.evidently // (len(kinds) * len(SIZES)), 1) if arguments.evidently else 0
    verdicts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    theirs: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    raised: Counter[str] = Counter()
    for kind in arguments.only or kinds:
        subject = fitted(kind, arguments.scratch, arguments.data, IMAGE_ROWS if kind == IMAGE else FIT_ROWS)
        for size in SIZES:
            started = time.process_time()
            for check in _checks(subject, size, each, arguments.seed):
                verdicts[kind, size][check.verdict] += 1
                raised.update(f"{found.check} {found.verdict}" for found in _grave(check))
                if arguments.verbose and check.verdict != "healthy":
                    print(kind, size, check.verdict, check.reasons, file=sys.stderr)
            seconds = (time.process_time() - started) / each
            print(f"{kind}, {size} rows: {dict(verdicts[kind, size])}, {seconds:.2f} CPU s each", file=sys.stderr)
            theirs[kind, size] = _evidently(subject, size, peers, arguments.seed)
    print(_table(verdicts, theirs, raised))


def _checks(subject: Fitted, size: int, windows: int, seed: int) -> Any:
    rng = np.random.default_rng([seed, size])
    past: list[Any] = []
    for place in range(windows):
        rows = rng.choice(len(subject.entries), size, replace=len(subject.entries) < size)
        entries = [subject.entries[row] for row in rows]
        if place % 2:
            entries = [replace(entry, label=subject.labels[row]) for entry, row in zip(entries, rows, strict=True)]
        check = check_of(
            subject,
            timed(entries, START + place * WINDOW, 0.8 * WINDOW.total_seconds() * float(rng.uniform(0.8, 1.25))),
            past,
        )
        past.append(past_of_check(check))
        yield check


def _grave(check: Any) -> list[Any]:
    return [found for found in check.findings if found.verdict in ("watch", "act") and not found.detail]


def _evidently(subject: Fitted, size: int, windows: int, seed: int) -> Counter[str]:
    """Of so many windows: drifted sets, sets with a drifted column, and those that Evidently could not judge."""
    found: Counter[str] = Counter()
    if not windows or not subject.reference.features:
        return found
    import os

    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    rng = np.random.default_rng([seed, size, 1])
    before = _frame(subject.reference.features)
    numbers = [name for name in before if before[name].dtype.kind == "f"]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in before if name not in numbers]
    )
    from automl_monitoring.window import window_side

    for _ in range(windows):
        rows = rng.choice(len(subject.entries), size, replace=len(subject.entries) < size)
        now = _frame(window_side(subject.model, [subject.entries[row] for row in rows]).features)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sides = [Dataset.from_pandas(side, data_definition=definition) for side in (now, before)]
                metrics = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
        except Exception:  # an odd column, such as one without a value, stops its whole report
            found["failed"] += 1
            continue
        drifted = next(each["value"] for each in metrics if each["metric_name"].startswith("DriftedColumnsCount"))
        found["windows"] += 1
        found["set"] += drifted["share"] >= 0.5
        found["column"] += drifted["count"] > 0
    return found


def _frame(features: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series(each, dtype="float64" if each.dtype.kind == "f" else "object")
            for name, each in features.items()
        }
    )


def _table(verdicts: Any, theirs: Any, raised: Counter[str]) -> str:
    lines = [
        "| set | windows | act | watch | Evidently: set drifted | Evidently: a column drifted |",
        "|---|---|---|---|---|---|",
    ]
    kinds = list(dict.fromkeys(kind for kind, _ in verdicts))
    for kind in kinds:
        lines.append(_line(kind, [verdicts[kind, size] for size in SIZES], [theirs[kind, size] for size in SIZES]))
    for size in SIZES:
        lines.append(_line(f"{size:,} rows", [verdicts[k, size] for k in kinds], [theirs[k, size] for k in kinds]))
    lines.append(_line("**all**", list(verdicts.values()), list(theirs.values())))
    lines.append("")
    lines.append(
        "What was raised: " + (", ".join(f"{name} {count}" for name, count in raised.most_common()) or "nothing")
    )
    return "\n".join(lines)


def _line(name: str, ours: Sequence[Counter[str]], peers: Sequence[Counter[str]]) -> str:
    own, peer = sum(ours, Counter[str]()), sum(peers, Counter[str]())
    many, windows = own.total(), peer["windows"]
    cells = [f"{many:,}", wilson(own["act"], many), wilson(own["watch"], many)]
    cells += [wilson(peer["set"], windows), wilson(peer["column"], windows)]
    return f"| {name} | " + " | ".join(cells) + " |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True, help="where fitted models are kept")
    parser.add_argument("--data", type=Path, help="the folder of index.csv; without it only the made sets")
    parser.add_argument("--windows", type=int, default=1_020, help="quiet windows in all")
    parser.add_argument("--evidently", type=int, default=120, help="of them judged by Evidently too; 0 for none")
    parser.add_argument("--only", nargs="*", help="only these sets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
