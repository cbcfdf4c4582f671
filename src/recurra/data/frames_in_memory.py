"""Tables, arrays and lists of arrays in memory as a table of series, so that they are checked as files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.plain import MemoryTable
from recurra.data.table import string_columns
from recurra.errors import DataError

__all__ = ["ARRAY_ID", "Form", "InMemory", "table_in_memory"]

Form = Literal["path", "table", "one", "several"]  # a file, a table, an array, a list of arrays


ARRAY_ID = "unique_id"  # the column with the place of an array in a list


class InMemory(NamedTuple):
    """Series in memory.

    Attributes:
        form: what they were given as.
        table: as strings; None for a file, which is read from where it is.
        arrays: how many there are; none where it is a table.
    """

    form: Form
    table: MemoryTable | None
    arrays: int = 0


def table_in_memory(series: Any) -> InMemory:
    """Make a table of what an estimator is given, called X in messages.

    Args:
        series: a path; a polars or pandas data frame or a mapping of columns; an array [T] or [T, C]; or a list of
            such arrays, whose times are the whole numbers from 0 on.

    Raises:
        DataError: something else, or arrays of another shape.
    """
    if isinstance(series, str | Path):
        return InMemory("path", None)
    columns = _columns(series)
    if columns is not None:
        try:
            frame = columns if isinstance(columns, pl.DataFrame) else pl.DataFrame(columns, strict=False)
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise DataError(f"X: expected columns of numbers, times and texts of one length: {error}") from error
        text = frame.select(string_columns(frame.schema, frame.columns, (), "X"))
        return InMemory("table", MemoryTable("X", text.to_dict(as_series=False)))
    if isinstance(series, np.ndarray) and series.dtype != object and series.ndim in (1, 2):
        return InMemory("one", _table_of([_as_series(series, "X")], with_id=False), 1)
    if isinstance(series, Sequence) and len(series) and all(np.ndim(one) == 0 for one in series):
        return InMemory("one", _table_of([_as_series(series, "X")], with_id=False), 1)
    if isinstance(series, Sequence | np.ndarray) and len(series):
        arrays = [_as_series(one, f"X[{number}]") for number, one in enumerate(series)]
        if len({array.shape[1] for array in arrays}) > 1:
            raise DataError(f"X: expected arrays of as many variables, found {sorted({a.shape[1] for a in arrays})}")
        return InMemory("several", _table_of(arrays, with_id=True), len(arrays))
    raise DataError(
        f"X: expected a path, a data frame, a mapping of columns, an array [T] or [T, C] or a list of these, found "
        f"{type(series).__name__}"
    )


def _columns(series: Any) -> Any:
    """The columns of a table, or None where it is none; of a pandas data frame as lists."""
    if isinstance(series, pl.DataFrame):
        return series
    if isinstance(series, Mapping):
        return {str(name): list(values) for name, values in series.items()}
    if hasattr(series, "columns") and hasattr(series, "__getitem__"):
        return {str(name): series[name].tolist() for name in series.columns}
    return None


def _as_series(values: Any, name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}: expected numbers [T] or [T, C], found something else") from None
    if array.ndim not in (1, 2) or not array.size:
        raise DataError(f"{name}: expected numbers [T] or [T, C], at least one, found shape {array.shape}")
    array = array.reshape(len(array), -1)
    if np.isnan(array[-1]).any():  # or the variables would be forecast from different steps on
        raise DataError(f"{name}: expected a value of each variable at the last step, found NaN; cut it there")
    return array


def _table_of(arrays: Sequence[NDArray[np.float64]], with_id: bool) -> MemoryTable:
    """Rows of a time and the variables y, or y0, y1 ..., with the number of the series where there are several."""
    variables = arrays[0].shape[1]
    names = ["y"] if variables == 1 else [f"y{number}" for number in range(variables)]
    columns: dict[str, list[str | None]] = {}
    if with_id:
        columns[ARRAY_ID] = [f"{number}" for number, array in enumerate(arrays) for _ in array]
    columns["ds"] = [f"{step}" for array in arrays for step in range(len(array))]
    for number, name in enumerate(names):
        values = np.concatenate([array[:, number] for array in arrays]).tolist()
        columns[name] = [None if value != value else repr(value) for value in values]
    return MemoryTable("X", columns)
