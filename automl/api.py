"""The Python interface: the same as the command line, in three functions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl.data.reading import table_of
from automl.data.roles import Roles, SplitKind
from automl.engine import FitRequest, fit_source
from automl.hooks import read_source
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.search.budget import parse_duration
from automl.store import CHAMPION, Store

if TYPE_CHECKING:
    import pandas as pd

    from automl.inspection.findings import Finding
    from automl.inspection.inspect import Inspection


def fit(
    data: str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    task: str | None = None,
    time: str | float = "60s",
    metric: str | None = None,
    name: str | None = None,
    roles: Roles | None = None,
    split: SplitKind | None = None,
    drop_leaks: bool = False,
    store: Store | str | Path | None = None,
) -> Model:
    """Fit on a source or a data frame, register the model as a new version of `name`, and return it.

    The first version of a name becomes its champion; a later one waits for a promotion. Warns when the time sufficed
    for the best constant only, and of columns that give the target away. `automl.engine.fit_source` takes every option
    there is.

    `time` is a wall-clock budget: seconds, or text like '5m'. `roles`: columns to exclude, sensitive ones, the entity
    or the moment of a row. What is left out is inferred. Raises AutoMLError.

    Example:
        model = automl.fit("telco_churn.csv", target="Churn", time="60s")
        model.predict_proba(new_rows)
    """
    request = FitRequest(
        target=None if target is None else str(target),
        task=task,
        seconds=parse_duration(time) if isinstance(time, str) else float(time),
        metric=metric,
        name=name,
        roles=roles or Roles(),
        split=split,
        drop_leaks=drop_leaks,
    )
    home = store if isinstance(store, Store) else Store(store)
    model = fit_source(data, request, home, lambda event: None, confirm=_warn_of_leaks).model
    if not model.members:
        warnings.warn(model.card.notes[0], stacklevel=2)
    return model


def inspect(
    data: str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    task: str | None = None,
    roles: Roles | None = None,
    split: SplitKind | None = None,
) -> Inspection:
    """What is in a source or a data frame: kinds of columns, quality, personal data, leaks, how to split it.

    Example:
        for finding in automl.inspect("telco_churn.csv", target="Churn").findings:
            print(finding.severity, finding.what)
    """
    from automl.inspection.inspect import InspectRequest, inspect_table

    table = read_source(data) if isinstance(data, str | Path) else table_of(data)
    target = None if target is None else str(target)
    return inspect_table(table, InspectRequest(target=target, task=task, roles=roles or Roles(), split=split))


def _warn_of_leaks(leaks: Sequence[Finding]) -> bool:
    for finding in leaks:
        warnings.warn(finding.what, stacklevel=7)
    return False


def load(name: str, version: str | int = CHAMPION, *, store: Store | str | Path | None = None) -> Model:
    """A registered model by name; `version` is a number or an alias. Every file is checked against its manifest."""
    home = store if isinstance(store, Store) else Store(store)
    return load_model(home.versions.find(name, version).folder)
