"""The tabular task plugin: numbers, categories, truth values, dates, and texts by their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    from automl.task import Task


@hookimpl
def automl_tasks() -> list[Task]:
    from automl_tabular.task import TabularTask

    return [TabularTask()]
