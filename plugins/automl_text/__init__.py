"""The text plugin: text columns with others beside them; TF-IDF families, small networks, pretrained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    from automl.data.reading import Reader
    from automl.task import Task


@hookimpl
def automl_readers() -> list[Reader]:
    """The reader of text folders."""
    from automl_text.reading import TextFolderReader

    return [TextFolderReader()]


@hookimpl
def automl_tasks() -> list[Task]:
    """The task `text`."""
    from automl_text.task import TextTask

    return [TextTask()]
