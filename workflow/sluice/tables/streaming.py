"""Classes of a table however long: column by column, one integer key a row.

A column is coded in the smallest integers that hold it, and joined to the key of the columns before
it; only then is the next one read. Where the keys would outgrow a small space they are renumbered
to the classes that occur, by marking them where that space is small, else by sorting. So a table of
ten million rows costs its keys, one column and its codes, and everything that is asked of classes
afterwards (risks, special uniques, what a field adds) is counted on the classes alone.

A missing value is a category of its own, as in :mod:`sluice.tables.classes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.errors import SluiceError
from sluice.tables.classes import MISSING
from sluice.tables.ladders import text

_SMALL = 1 << 22  # a key space that is marked without leaving the processor's cache
_STRETCH = 1 << 16  # keys that stay in the processor's cache
_RANGE = 1 << 16  # whole numbers within such a range are their own codes


@dataclass(frozen=True)
class Column:
    """One coded column.

    Parameters
    ----------
    codes
        Unsigned integers, shape (rows,): :data:`MISSING`, else 1 + the value's place.
    values
        The values by place; some may not occur.
    """

    codes: np.ndarray
    values: pa.Array

    @property
    def radix(self) -> int:
        """Number of codes, the missing one included."""
        return len(self.values) + 1


@dataclass(frozen=True)
class Classes:
    """Equivalence classes of a table.

    Parameters
    ----------
    of_row
        Class of each row, int32, shape (rows,).
    sizes
        Rows of each class, shape (C,).
    codes
        Code of each class in each column, int32, shape (C, columns).
    numbers
        For each column the number that each code stands for, shape (codes,), the first one of a
        missing value; ``None`` where a value is no number.
    """

    of_row: np.ndarray
    sizes: np.ndarray
    codes: np.ndarray
    numbers: tuple[np.ndarray | None, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.of_row)


def code_column(values: pa.ChunkedArray, name: str) -> Column:
    """Code one column.

    Raises
    ------
    SluiceError
        If the column has no rows, holds lists or bytes, or no value in any row.
    """
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise SluiceError(
            "A column holds lists or bytes", where=f"column {name}", mend="write plain values"
        )
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if not len(values):
        raise SluiceError("A table has no rows", where=f"column {name}", mend="export it again")
    if values.null_count == len(values):
        raise SluiceError(
            "A column has no value in any row",
            where=f"column {name}",
            mend="leave it out, or check how the table was exported",
        )
    if pa.types.is_integer(values.type):
        ends = pc.min_max(values)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if high - low < _RANGE and high < 2**63:
            return Column(_offsets(values, low, high - low + 2), pa.array(range(low, high + 1)))
    coded = values.dictionary_encode().unify_dictionaries()
    places = coded.chunk(0).dictionary
    if places.null_count:  # a missing value may hide among the values
        return code_column(values.cast(places.type), name)
    return Column(_places(coded, len(places) + 1), places)


def _offsets(values: pa.ChunkedArray, low: int, radix: int) -> np.ndarray:
    codes = np.empty(len(values), dtype=np.min_scalar_type(radix))
    start = 0
    for chunk in values.chunks:
        here = codes[start : start + len(chunk)]
        number = (chunk.fill_null(low) if chunk.null_count else chunk).to_numpy()
        np.subtract(number, low - 1, out=here, dtype=np.int64, casting="unsafe")
        if chunk.null_count:
            here[chunk.is_null().to_numpy(zero_copy_only=False)] = MISSING
        start += len(chunk)
    return codes


def _places(coded: pa.ChunkedArray, radix: int) -> np.ndarray:
    codes = np.empty(len(coded), dtype=np.min_scalar_type(radix))
    start = 0
    for chunk in coded.chunks:
        places = chunk.indices.fill_null(-1) if chunk.null_count else chunk.indices
        np.add(places.to_numpy(), 1, out=codes[start : start + len(chunk)], casting="unsafe")
        start += len(chunk)
    return codes


def ahead(columns: Iterable[Column]) -> Iterator[Column]:
    """Make the next column while the one before is used."""
    with ThreadPoolExecutor(1) as worker:
        source = iter(columns)
        waiting = worker.submit(next, source, None)
        while (column := waiting.result()) is not None:
            waiting = worker.submit(next, source, None)
            yield column


def stack(upper: Column, lower: Column) -> Column:
    """Return the rows of two tables' column as one; values of the same spelling are the same."""
    if upper.values.equals(lower.values):
        return Column(np.concatenate([upper.codes, lower.codes]), upper.values)
    spellings: dict[str, int] = {}
    parts = []
    for column in (upper, lower):
        spelled = [spellings.setdefault(text(v), len(spellings)) for v in column.values.to_pylist()]
        parts.append(np.array([MISSING, *(place + 1 for place in spelled)])[column.codes])
    small = np.min_scalar_type(len(spellings) + 1)
    return Column(np.concatenate(parts).astype(small), pa.array(list(spellings)))


def classify(columns: Iterable[Column]) -> Classes:
    """Number the classes of rows that agree in every column.

    Columns, of which there is at least one, are taken one at a time, so that a generator need not
    hold them all.
    """
    keys, space = np.zeros(0, dtype=np.int32), 1
    codes = np.zeros((1, 0), dtype=np.int32)
    numbers: list[np.ndarray | None] = []
    joined: list[int] = []  # radices of the columns that the keys hold beside the classes so far
    for column in columns:
        if not numbers:
            keys = np.zeros(len(column.codes), dtype=np.int32)
        if space * column.radix > max(_SMALL, column.radix) and joined:
            keys, _, codes = _renumber(keys, space, codes, joined)
            space, joined = len(codes), []
        if space * column.radix >= 2**31:
            keys = keys.astype(np.int64)
        np.multiply(keys, column.radix, out=keys)
        np.add(keys, column.codes, out=keys, casting="unsafe")
        space *= column.radix
        joined.append(column.radix)
        numbers.append(numbers_of(column.values))
    keys, sizes, codes = _renumber(keys, space, codes, joined)
    return Classes(keys, sizes, codes, tuple(numbers))


def split(classes: Classes, rows: int) -> tuple[Classes, np.ndarray, np.ndarray]:
    """Take the first ``rows`` rows apart from the rest, as a sample from its population.

    Returns the classes of the first, how many of the rest are in each of these, and the sizes of
    the classes that the rest has for itself.
    """
    sizes = np.bincount(classes.of_row[:rows], minlength=len(classes.sizes))
    others = np.bincount(classes.of_row[rows:], minlength=len(classes.sizes))
    here = sizes > 0
    number = np.cumsum(here, dtype=np.int32) - 1
    sample = Classes(
        number[classes.of_row[:rows]], sizes[here], classes.codes[here], classes.numbers
    )
    return sample, others[here], others[~here]


def _renumber(
    keys: np.ndarray, space: int, codes: np.ndarray, joined: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the keys that occur from 0, in their order; return numbers, their sizes and codes."""
    if space <= max(4 * len(keys), _SMALL):
        counts = np.bincount(keys, minlength=space)
        present = np.flatnonzero(counts)
        sizes = counts[present]
        number = np.zeros(space, dtype=np.int32)
        number[present] = np.arange(len(present), dtype=np.int32)
        keys = _looked_up(number, keys)
    else:
        order = np.argsort(keys)
        ordered = keys[order]
        new = np.empty(len(keys), dtype=bool)
        new[:1], new[1:] = True, ordered[1:] != ordered[:-1]
        present = ordered[new]
        sizes = np.diff(np.flatnonzero(new), append=len(keys))
        keys = np.empty(len(order), dtype=np.int32)
        keys[order] = np.cumsum(new, dtype=np.int32) - 1
    digits = np.empty((len(present), len(joined)), dtype=np.int32)
    for place in range(len(joined) - 1, -1, -1):
        present, digits[:, place] = np.divmod(present, joined[place])
    return keys, sizes, np.hstack([codes[present], digits])


def _looked_up(number: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return ``number[keys]``, a stretch at a time; written over the keys if they are as wide."""
    out = keys if keys.dtype == number.dtype else np.empty(len(keys), dtype=number.dtype)
    for start in range(0, len(keys), _STRETCH):
        here = slice(start, start + _STRETCH)
        out[here] = number.take(keys[here], mode="clip")  # keys are in range: no second pass
    return out


def numbers_of(values: pa.Array) -> np.ndarray | None:
    """Return the number of each code, the first one (missing) NaN; ``None`` if one is no number."""
    try:
        found = pc.cast(values, pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return np.concatenate([[np.nan], found.to_numpy(zero_copy_only=False)])
