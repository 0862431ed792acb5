"""A table in a zip archive whose cells name images in the same archive."""

from __future__ import annotations

import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from automl.data.cells import is_missing
from automl.data.class_folders import member_bytes
from automl.data.content import Content, members
from automl.data.reading import IMAGE_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

TRIED_CELLS = 20
MOST_IMAGE_BYTES = 64 << 20


def with_members(frame: pd.DataFrame, content: Content) -> pd.DataFrame:
    """Cells that name images of the archive become their bytes; those it does not hold, or not whole, stay names.

    Names are relative to the table's folder in the archive or to the archive itself.
    """
    known = {name for name in members(content.path) if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES}
    home = PurePosixPath(content.member).parent
    if not known:
        return frame

    def member(cell: Any) -> str | None:
        if not isinstance(cell, str):
            return None
        written = cell.strip().removeprefix("./")
        return next((name for name in (str(home / written), written) if name in known), None)

    columns: dict[str, Any] = {}
    with zipfile.ZipFile(content.path) as archive:
        for name in frame.columns:
            tried = [cell for cell in frame[name].head(TRIED_CELLS) if not is_missing(cell)]
            if any(member(cell) for cell in tried):
                columns[name] = [_image(archive, member(cell)) or cell for cell in frame[name]]
    if not columns:
        return frame
    import pandas as pd

    return frame.assign(**{name: pd.Series(cells, dtype=object, index=frame.index) for name, cells in columns.items()})


def _image(archive: zipfile.ZipFile, name: str | None) -> bytes | None:
    return None if name is None else member_bytes(archive, name, MOST_IMAGE_BYTES)
