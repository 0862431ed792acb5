"""The Python interface: the same as the command line, in two functions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from automl.engine import FitRequest, fit_source
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.search.budget import parse_duration
from automl.store import CHAMPION, Store

if TYPE_CHECKING:
    import pandas as pd


def fit(
    data: str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    task: str | None = None,
    time: str | float = "60s",
    metric: str | None = None,
    name: str | None = None,
    store: Store | str | Path | None = None,
) -> Model:
    """Fit on a source or a data frame, register the model as a new version of `name`, and return it.

    The first version of a name becomes its champion; a later one waits for a promotion. Warns when the time sufficed
    for the best constant only. `automl.engine.fit_source` takes every option there is.

    `time` is a wall-clock budget: seconds, or text like '5m'. What is left out is inferred. Raises AutoMLError.

    Example:
        model = automl.fit("telco_churn.csv", target="Churn", time="60s")
        model.predict_proba(new_rows)
    """
    seconds = parse_duration(time) if isinstance(time, str) else float(time)
    request = FitRequest(target=target, task=task, seconds=seconds, metric=metric, name=name)
    home = store if isinstance(store, Store) else Store(store)
    model = fit_source(data, request, home, lambda event: None).model
    if not model.members:
        warnings.warn(model.card.notes[0], stacklevel=2)
    return model


def load(name: str, version: str | int = CHAMPION, *, store: Store | str | Path | None = None) -> Model:
    """A registered model by name; `version` is a number or an alias. Every file is checked against its manifest."""
    home = store if isinstance(store, Store) else Store(store)
    return load_model(home.versions.find(name, version).folder)
