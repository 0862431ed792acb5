"""Really fitted models and unseen rows of the same source, for figures about checks: made sets, and sets of an index.

Each model is fitted once, with a small search, and kept in a scratch folder. Rows that it never saw are answered once;
a window is some of them, as log entries, checked by the real code.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automl.cli.predict import loggable_rows
from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.hooks import read_source
from automl.model.artifact import load_model
from automl.model.logged import log_entries
from automl.model.model import Model
from automl.store import LoggedPrediction, Store, Version
from automl_monitoring.checking import Check, examine
from automl_monitoring.checks.subject import Past, Subject
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.window import Side, reference_side, window_side
from automl_monitoring.windows import Entries

SEARCH_S, PICTURES_S = 60.0, 400.0
TRIALS = 2
START = datetime(2026, 1, 5, tzinfo=UTC)
MADE = ("normal", "heavy tail", "5 levels", "50 levels", "300 levels")
MADE_ROWS = 24_000
MADE_COLUMNS = 8
Z = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class Fitted:
    """A model with its reference, and the rows that it never saw: raw cells, and the answers as log entries."""

    name: str
    model: Model
    version: Version
    reference: Side
    rows: pd.DataFrame
    labels: Sequence[str]
    entries: Sequence[LoggedPrediction]


def fitted(name: str, scratch: Path, data: Path | None, fit_rows: int) -> Fitted:
    """The model of a made set (see MADE), or of a set of the index in the folder `data`, fitted once per scratch."""
    frame, target, request = _source(name, scratch, data)
    frame = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    store = Store(scratch / f"{name.replace(' ', '_')}_{fit_rows}")
    known = name.replace(" ", "_")
    if known not in store.versions.names():
        wanted = replace(
            request,
            target=target,
            name=known,
            seconds=PICTURES_S if target == "label" else SEARCH_S,
            max_trials=TRIALS,
            executor="inline",
        )
        fit_table(Table(frame.head(fit_rows), name=known), wanted, store)
    version = store.versions.find(known)
    model = load_model(version.folder)
    rows = frame.iloc[fit_rows:].reset_index(drop=True)
    entries = answered(model, version, rows)
    return Fitted(name, model, version, reference_side(model, version.folder), rows, rows[target].tolist(), entries)


def answered(model: Model, version: Version, rows: pd.DataFrame) -> list[LoggedPrediction]:
    """Log entries of raw rows, as the endpoint writes them."""
    return log_entries(model, (version.name, version.number), loggable_rows(rows, model), model.answer(rows))


def timed(entries: Sequence[LoggedPrediction], begin: datetime, seconds: float) -> list[LoggedPrediction]:
    """The same entries, evenly over so many seconds, numbered as in a log."""
    step = timedelta(seconds=seconds / max(len(entries), 1))
    return [replace(each, time=begin + step * place, sequence=place + 1) for place, each in enumerate(entries)]


def check_of(
    subject: Fitted, entries: Sequence[LoggedPrediction], past: Sequence[Past] = (), policy: CheckPolicy | None = None
) -> Check:
    """The check of a window, after these others."""
    window = window_side(subject.model, entries)
    given = Entries.of(entries)
    chosen = policy or CheckPolicy()
    return examine(
        subject.version, Subject(subject.model, subject.reference, window, given, chosen, len(past), tuple(past))
    )


def past_of_check(check: Check) -> Past:
    """What later windows need to know of this one."""
    seconds = (check.until - check.since).total_seconds() if check.since and check.until else 0.0
    raised = frozenset(each.check for each in check.findings if each.verdict in ("watch", "act"))
    begin = check.since.timestamp() if check.since else 0.0
    return Past(check.rows, check.labelled, begin, seconds, raised, check.blocks)


def wilson(hits: int, tries: int) -> str:
    """A share in percent with its 95% interval (Wilson 1927)."""
    if not tries:
        return "–"
    share, weight = hits / tries, Z**2 / tries
    middle = (share + weight / 2) / (1 + weight)
    half = Z * np.sqrt(share * (1 - share) / tries + weight / (4 * tries)) / (1 + weight)
    return f"{share:.1%} ({max(middle - half, 0):.1%} to {min(middle + half, 1):.1%})"


def _source(name: str, scratch: Path, data: Path | None) -> tuple[pd.DataFrame, str, FitRequest]:
    if name in MADE:
        return _made(name), "y", FitRequest(split="random")
    if data is None:
        raise SystemExit(f"{name} is a set of an index: give its folder with --data.")
    with (data / "index.csv").open(encoding="utf-8") as file:
        entry: Mapping[str, Any] = next(row for row in csv.DictReader(file) if row["name"] == name)
    if entry["kind"] == "image":
        return _images(data / entry["file"], scratch / "images" / name), "label", FitRequest(split="random")
    frame = read_source(data / entry["file"]).frame
    target = entry["target"]
    frame = frame[[bool(str(cell).strip()) and not pd.isna(cell) for cell in frame[target]]]
    return frame, target, FitRequest(split="random")


def _images(archive: Path, folder: Path) -> pd.DataFrame:
    """Paths and classes of a zip of pictures in one folder per class."""
    if not folder.exists():
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    return pd.DataFrame({"picture": [str(path) for path in found], "label": [path.parent.name for path in found]})


def _made(kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    columns: dict[str, Any] = {}
    strength = np.zeros(MADE_ROWS)
    for place in range(MADE_COLUMNS):
        if kind == "normal":
            values = rng.normal(size=MADE_ROWS)
            strength += values / (place + 1)
        elif kind == "heavy tail":
            values = rng.standard_t(2, size=MADE_ROWS)
            strength += np.tanh(values) / (place + 1)
        else:
            levels = int(kind.split()[0])
            weights = 1 / np.arange(1, levels + 1)
            codes = rng.choice(levels, size=MADE_ROWS, p=weights / weights.sum())
            strength += rng.normal(size=levels)[codes] / (place + 1)
            values = np.array([f"level {code}" for code in codes], dtype=object)
        columns[f"x{place}"] = values
    chance = 1 / (1 + np.exp(-2 * (strength - np.median(strength))))
    return pd.DataFrame({**columns, "y": np.where(rng.random(MADE_ROWS) < chance, "yes", "no")})
