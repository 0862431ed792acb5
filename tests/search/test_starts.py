"""A search that begins with what was good before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.request import recipe_of
from automl.search.run import read_question, read_results
from automl.store import Store


def test_the_former_members_are_tried_first(tmp_path: Path, churn_rows: pd.DataFrame) -> None:
    store = Store(tmp_path)
    request = FitRequest(target="Churn", name="churn", seconds=30, max_trials=3, executor="inline")
    first = fit_table(Table(churn_rows.head(200)), request, store)
    starts = recipe_of(store, first.version)
    heaviest = max(first.model.members, key=lambda member: member.weight)
    assert (starts[0].architecture, starts[0].parameters) == (heaviest.architecture, dict(heaviest.parameters))
    assert len(starts) == 3
    assert len({repr(start) for start in starts}) == 3
    again = replace(request, starts=starts, max_trials=2)
    second = fit_table(Table(churn_rows.head(240)), again, store)
    tried = [(result.architecture, dict(result.parameters)) for result in read_results(second.run_folder)]
    assert tried == [(start.architecture, dict(start.parameters)) for start in starts[:2]]
    assert read_question(second.run_folder).starts == starts
    store.close()
