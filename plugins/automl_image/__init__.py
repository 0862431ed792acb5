"""The image plugin: image folders and columns; descriptors, searched networks, pretrained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.hooks import hookimpl

if TYPE_CHECKING:
    from automl.data.reading import Reader
    from automl.task import Task


@hookimpl
def automl_readers() -> list[Reader]:
    """The readers of image folders: those with a table that names the images first."""
    from automl_image.reading import ImageFolderReader
    from automl_image.table_reading import ImageTableReader

    return [ImageTableReader(), ImageFolderReader()]


@hookimpl
def automl_tasks() -> list[Task]:
    """The task `image`."""
    from automl_image.task import ImageTask

    return [ImageTask()]
