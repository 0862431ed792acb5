"""Parquet and Feather (Arrow IPC) files: typed columns as they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from automl.data.content import Content, first_line
from automl.data.memory import Sample, table_limit
from automl.errors import SourceError

BATCH_ROWS = 65_536
CELL_BYTES = 16  # at least, of a cell in pandas: a file of repeated values says little by its size
Read = tuple[pd.DataFrame, tuple[str, ...]]


def read_parquet(content: Content) -> Read:
    """A Parquet file; a sample of its rows where it is larger than memory allows."""
    return _guarded(content, "Parquet", lambda: _parquet(content))


def stored_frame(path: Path) -> pd.DataFrame:
    """A frame that `DataFrame.to_parquet` wrote, as it was.

    Without the reader of data sets, which pandas takes: its threads read ahead, and one still at it when the
    interpreter ends aborts the process (apache/arrow issue 34314).
    """
    with pyarrow.parquet.ParquetFile(path) as parquet:
        frame: pd.DataFrame = parquet.read(use_threads=False).to_pandas(use_threads=False)
    return frame


def read_arrow(content: Content) -> Read:
    """An Arrow file or stream (Feather version 2)."""
    return _guarded(content, "Arrow", lambda: _arrow(content))


def _guarded(content: Content, what: str, read: Callable[[], Read]) -> Read:
    try:
        return read()
    except SourceError:
        raise
    except Exception as error:  # a damaged file makes the decoders raise nearly anything
        raise SourceError(f"{content} is not a readable {what} file: {first_line(error)}.") from error


def _parquet(content: Content) -> Read:
    file = content.file()
    with pyarrow.parquet.ParquetFile(file) as parquet:
        meta = parquet.metadata
        size = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        if max(size, meta.num_rows * meta.num_columns * CELL_BYTES) < table_limit():
            return _as_frame(parquet.read()), ()
        return _sampled(parquet.iter_batches(BATCH_ROWS), parquet.schema_arrow)


def _arrow(content: Content) -> Read:
    file = content.file()
    try:
        reader = pyarrow.ipc.open_file(file)
    except pa.ArrowInvalid:
        stream = pyarrow.ipc.open_stream(file)
        return _sampled(iter(stream), stream.schema)
    return _sampled((reader.get_batch(number) for number in range(reader.num_record_batches)), reader.schema)


def _sampled(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Read:
    sample = Sample()
    for batch in batches:
        sample.add(_as_frame(pa.Table.from_batches([batch])))
    frame, notes = sample.result()
    return (frame if len(frame.columns) else _as_frame(schema.empty_table())), notes


def _as_frame(table: pa.Table) -> pd.DataFrame:
    """Checked first, since a damaged file may point anywhere. A named index is a column that pandas had set aside."""
    table.validate(full=True)
    frame = table.to_pandas()
    return frame.reset_index(drop=frame.index.names == [None])
