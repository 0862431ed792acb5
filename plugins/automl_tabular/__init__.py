"""The tabular task plugin: numbers, categories, truth values, dates, and short texts by their length."""

from __future__ import annotations

from automl.hooks import hookimpl
from automl.task import Task


@hookimpl
def automl_tasks() -> list[Task]:
    from automl_tabular.task import TabularTask

    return [TabularTask()]
