"""A column of raw cells at once: quick ways to what `automl.data.cells` says of each cell, never another answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automl.data.arrow_text import distinct_text, missing_text, moments_of_text, numbers_of_text, seconds_of
from automl.data.cells import as_moment, as_number, is_missing_feature
from automl.data.distinct import Array, Distinct, distinct_objects

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Array", "Cells", "Distinct"]

_MANY = 20_000  # Python objects from which on a look for a quicker form pays


@dataclass(frozen=True)
class Cells:
    """The cells of one column in the form that reads quickest: Arrow text, a plain array without objects, or objects.

    Exactly one of the three is set. `plain` is of kind i, u, f, b (numbers, truths) or M (moments in UTC).
    """

    text: pa.ChunkedArray | None = None
    plain: Array | None = None
    objects: Sequence[Any] | None = None

    @classmethod
    def of(cls, values: Any) -> Cells:
        """Any sequence of raw cells: a list, an array of NumPy, pandas or Arrow. Nothing is copied that need not be."""
        if isinstance(values, Cells):
            return values
        dtype = getattr(values, "dtype", None)
        if isinstance(dtype, np.dtype):
            if dtype.kind in "iufb":
                return cls(plain=np.asarray(values))
            if dtype.kind == "M":
                return cls(plain=np.asarray(values, dtype="datetime64[us]"))
            if dtype.kind == "m":
                return cls(objects=list(np.asarray(values, dtype="timedelta64[us]").tolist()))
        elif dtype is not None:
            return cls._of_extension(values)
        elif hasattr(values, "to_pylist"):
            return cls._of_arrow(values)
        objects = values.tolist() if hasattr(values, "tolist") else values
        return cls._of_objects(objects if isinstance(objects, Sequence) else list(objects))

    @classmethod
    def _of_extension(cls, values: Any) -> Cells:
        import pandas as pd

        dtype = values.dtype
        if isinstance(dtype, pd.DatetimeTZDtype):
            return cls(plain=values.to_numpy(dtype="datetime64[us]"))
        if isinstance(dtype, pd.StringDtype | pd.ArrowDtype):
            import pyarrow as pa

            try:
                return cls._of_arrow(pa.array(getattr(values, "array", values)))
            except (pa.ArrowInvalid, UnicodeEncodeError):  # half a character, which Arrow cannot hold
                return cls(objects=values.tolist())
        if getattr(dtype, "kind", "O") in "iufb" and not values.isna().any():
            array = np.asarray(values.to_numpy())
            if array.dtype.kind in "iufb":
                return cls(plain=array)
        return cls._of_objects(values.tolist())

    @classmethod
    def _of_arrow(cls, values: Any) -> Cells:
        import pyarrow as pa

        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            return cls(text=values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values]))
        if values.null_count == 0 and (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            return cls(plain=values.to_numpy())
        return cls(objects=values.to_pylist())

    @classmethod
    def _of_objects(cls, objects: Sequence[Any]) -> Cells:
        if len(objects) >= _MANY:
            import pandas as pd
            import pyarrow as pa

            if pd.api.types.infer_dtype(objects, skipna=True) == "string":
                try:
                    return cls(text=pa.chunked_array([pa.array(objects, pa.large_string(), from_pandas=True)]))
                except (pa.ArrowInvalid, UnicodeEncodeError):
                    pass
        return cls(objects=objects)

    def __len__(self) -> int:
        return len(next(form for form in (self.text, self.plain, self.objects) if form is not None))

    def take(self, index: Array) -> Cells:
        """The cells at these positions."""
        if self.text is not None:
            return Cells(text=self.text.take(index))
        if self.plain is not None:
            return Cells(plain=self.plain[index])
        assert self.objects is not None
        return Cells(objects=[self.objects[position] for position in index.tolist()])

    def tolist(self) -> list[Any]:
        """The cells as Python values; text that Arrow has none for is None."""
        if self.text is not None:
            return list(self.text.to_pylist())
        if self.plain is not None:
            return list(self.plain.tolist())
        return list(self.objects or ())

    def spread(self, size: int) -> list[Any]:
        """Up to `size` present cells, evenly from the whole column."""
        rows = len(self)
        found = self if rows <= size else self.take(np.linspace(0, rows - 1, size).astype(np.int64))
        present = [value for value in found.tolist() if not is_missing_feature(value)]
        if rows <= size or len(present) >= size // 20:
            return present
        there = np.flatnonzero(~self.missing())  # too many holes for an even look to meet enough
        return self.take(there[np.linspace(0, len(there) - 1, min(size, len(there))).astype(np.int64)]).tolist()

    def distinct(self) -> Distinct:
        """Different values; equal ones of different types (1, 1.0, True) stay apart."""
        if self.text is not None:
            return distinct_text(self.text)
        if self.plain is not None:
            import pandas as pd

            codes, values = pd.factorize(self.plain, use_na_sentinel=False)
            return Distinct(values.tolist(), codes)
        return distinct_objects(self.objects or ())

    def count_distinct(self) -> int:
        """How many different values there are; missing counts as one at most."""
        if self.text is not None:
            import pyarrow.compute as pc

            return int(pc.count_distinct(self.text, mode="all").as_py())
        return len(self.distinct().values)

    def missing(self) -> NDArray[np.bool_]:
        """Which cells are missing as those of a feature."""
        if self.plain is not None:
            kind = self.plain.dtype.kind
            if kind == "M":
                return np.isnat(self.plain)
            return np.isnan(self.plain) if kind == "f" else np.zeros(len(self.plain), dtype=np.bool_)
        if self.text is not None:
            return missing_text(self.text)
        return self.distinct().parse(is_missing_feature, np.bool_)

    def numbers(self, unit: str = "", grouped: bool = False, comma: bool = False) -> Array:
        """float64: `as_number` of each cell."""
        if self.plain is not None and self.plain.dtype.kind in "iufb":
            numbers = self.plain.astype(np.float64)
            return numbers if np.isfinite(numbers).all() else np.where(np.isfinite(numbers), numbers, np.nan)
        if self.text is not None and not comma:
            return numbers_of_text(self.text, unit, grouped)
        return self.distinct().parse(lambda value: as_number(value, unit, grouped, comma))

    def moments(self, formats: tuple[str, ...] = ()) -> Array:
        """float64 seconds since 1970-01-01 UTC: `as_moment` of each cell."""
        if self.plain is not None and self.plain.dtype.kind == "M":
            return seconds_of(self.plain)
        if self.text is not None:
            return moments_of_text(self.text, formats)
        return self.distinct().parse(lambda value: as_moment(value, formats))
