"""The fingerprint of a table: the same cells give the same text, whatever file or chunks they came in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 over the column names and cells of a frame, in hexadecimal."""
    import pandas as pd

    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode("utf-8", "surrogatepass"))
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.StringDtype):
            _add_texts(digest, _chunks(column))
            continue
        if column.dtype == object:
            column = column.map(repr)
        digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _chunks(column: pd.Series) -> pa.ChunkedArray:
    import pyarrow as pa

    texts = pa.array(column, type=pa.large_string())
    return texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])


def _add_texts(digest: hashlib._Hash, texts: pa.ChunkedArray) -> None:
    """The lengths (-1 for none) and then the bytes of texts, straight from their buffers: hashing each cell by itself
    would cost more than reading the file."""
    import pyarrow.compute as pc

    for chunk in texts.chunks:
        digest.update(pc.fill_null(pc.binary_length(chunk), -1).to_numpy(zero_copy_only=False).tobytes())
    for chunk in texts.chunks:
        _, offsets, data = chunk.buffers()
        if data is not None:
            ends = np.frombuffer(offsets, dtype=np.int64)[[chunk.offset, chunk.offset + len(chunk)]]
            digest.update(memoryview(data)[ends[0] : ends[1]])
