"""Pictures that cannot be read: taken for missing; a row that holds nothing else is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from automl.data.columnar import Array
from automl.data.dataset import Rows, object_array
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.errors import DataError
from automl.inspection.findings import listed
from automl.inspection.gallery import Galleries

SHOWN = 2


def without_broken(table: Table, schema: Schema, rows: Rows, galleries: Galleries) -> tuple[Table, Schema, Rows]:
    """The same table, schema and rows with an empty cell in place of each picture that cannot be read.

    A column of pictures may be empty in new rows, too, unless all the rows in which it is empty are left out.
    """
    broken = {name: gallery.broken for name, gallery in galleries.items() if gallery.broken.any()}
    if not broken:
        return table, schema, rows
    arrays, frame = dict(rows.arrays), table.frame.copy(deep=False)
    for name, gone in broken.items():
        arrays[name] = object_array([None if lost else cell for cell, lost in zip(rows[name], gone, strict=True)])
        frame[name] = frame[name].mask(gone, None)
    gone = nothing_left(schema, galleries)
    empty = {name for name, lost in broken.items() if not len(gone) or (lost & ~gone).any()}
    columns = tuple(replace(each, nullable=True) if each.name in empty else each for each in schema.columns)
    return replace(table, frame=frame), replace(schema, columns=columns), replace(rows, arrays=arrays)


def nothing_left(schema: Schema, galleries: Galleries) -> Array:
    """bool per row: it holds pictures and nothing else, and none of them can be read. Empty where others are learned
    from too."""
    if not galleries or any(column.kind != "image" for column in schema.used):
        return np.zeros(0, dtype=bool)
    read = np.any([gallery.read for gallery in galleries.values()], axis=0)
    return np.asarray(np.any([gallery.broken for gallery in galleries.values()], axis=0) & ~read)


def left_out(gone: Array, galleries: Galleries) -> str:
    """What is said of rows that hold nothing else. Raises DataError when that is all of them."""
    count = int(gone.sum())
    why = [
        f"{gallery.named(row)}: {gallery.complaints[row]}"
        for gallery in galleries.values()
        for row in np.flatnonzero(gallery.broken & gone)[:SHOWN]
    ]
    if count == len(gone):
        raise DataError(f"None of the {count:,} images can be read ({listed(why, SHOWN)}).", "Are they damaged?")
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    return f"{rows} left out, whose images cannot be read ({listed(why, SHOWN)})"
