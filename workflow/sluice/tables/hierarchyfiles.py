"""Hierarchies from files as ARX has them: a value a line, with its labels from fine to coarse.

::

    39;35-39;30-39;*
    40;40-44;40-49;*

There is no header. The delimiter is the first of ``; tab | ,`` that gives every line the same
number of cells; cells may be quoted. The levels are those that are written: the value itself, then
a level a column. Nothing is added, so a file whose last column has several labels permits no more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.ladders import text

_DELIMITERS = (";", "\t", "|", ",")


@dataclass(frozen=True)
class Hierarchy:
    """One field's values and their labels.

    Parameters
    ----------
    file
        Name of the file, for errors.
    paths
        Value → its labels, from the value itself to the coarsest.
    """

    file: str
    paths: dict[str, list[str]]

    @property
    def values(self) -> list[str]:
        """The field's domain."""
        return list(self.paths)

    def levels(self) -> list[Callable[[pd.Series], pd.Series]]:
        """Return one function a level, finest first: what a search takes.

        A missing value is a category of its own, but where all values have one label it has that
        label too. Each raises :class:`SluiceError` for a value that the file does not have.
        """
        first = next(iter(self.paths.values()))
        return [partial(_labels, hierarchy=self, level=level) for level in range(len(first))]


def read_hierarchy(path: Path) -> Hierarchy:
    """Read a hierarchy.

    Raises
    ------
    SluiceError
        If the file is missing or not text, lines differ in length, a value stands twice with
        different labels, or a label belongs to two labels of the next level.
    """
    rows = _rows(path)
    paths: dict[str, list[str]] = {}
    for line, cells in rows:
        if not cells[0]:
            raise _fault("A line of a hierarchy has no value", path, line, "write the value first")
        if paths.setdefault(cells[0], cells) != cells:
            raise _fault(
                "A hierarchy places one value twice, with different labels", path, line, "keep one"
            )
    for level in range(1, len(rows[0][1])):
        above: dict[str, str] = {}
        for line, cells in rows:
            if above.setdefault(cells[level - 1], cells[level]) != cells[level]:
                raise _fault(
                    f"A hierarchy does not nest: one text in column {level} has two in column "
                    f"{level + 1}",
                    path,
                    line,
                    "give all lines that share a label the same coarser labels",
                )
    return Hierarchy(path.name, paths)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Lines and their cells, under the first delimiter that fits."""
    try:
        written = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SluiceError("There is no such hierarchy", where=path.name) from None
    except (UnicodeDecodeError, OSError):
        raise SluiceError(
            "A hierarchy cannot be read as UTF-8 text", where=path.name, mend="save it as UTF-8"
        ) from None
    for delimiter in _DELIMITERS:
        rows = _split(written, delimiter)
        if rows and len(rows[0][1]) > 1 and len({len(cells) for _, cells in rows}) == 1:
            return rows
    raise SluiceError(
        "A hierarchy needs the same number of cells in every line, a value and at least one label",
        where=path.name,
        mend="write `value;level1;…;*` on each line, and quote cells that hold the delimiter",
    )


def _split(written: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except csv.Error:
        return []


def _fault(what: str, path: Path, line: int, mend: str) -> SluiceError:
    return SluiceError(what, where=f"{path.name}, line {line}", mend=mend)


def _labels(values: pd.Series, hierarchy: Hierarchy, level: int) -> pd.Series:
    labels = {value: path[level] for value, path in hierarchy.paths.items()}
    only = next(iter(labels.values())) if len(set(labels.values())) == 1 else None
    codes, uniques = pd.factorize(values)
    found = [labels.get(text(value)) for value in uniques]
    if None in found:
        raise SluiceError(
            "A value of the table is absent from its hierarchy",
            where=f"{hierarchy.file}, row {int((codes == found.index(None)).argmax()) + 1} of "
            f"column {values.name}",
            mend="add a line for it",
        )
    made = np.array([*found, only], dtype=object)[codes]
    return pd.Series(made, index=values.index, name=values.name, dtype=object)


def match_files(folder: Path, quasi: list[str], columns: list[str]) -> dict[str, Path]:
    """Find each field's hierarchy: the one file whose name ends in ``<field>.csv``.

    A file belongs to the longest column name that it ends with, so that ``x_salary-class.csv`` is
    not the hierarchy of a column ``class`` where there is a column ``salary-class``.

    Raises
    ------
    SluiceError
        If a field has no file, or several.
    """
    if not folder.is_dir():
        raise SluiceError("There is no such folder", where="--hierarchies", mend="check its path")
    found: dict[str, list[Path]] = {name: [] for name in quasi}
    for path in sorted(folder.glob("*.csv")):
        owners = [name for name in columns if path.name.endswith(f"{name}.csv")]
        owner = max(owners, key=len, default="")
        if owner in found:
            found[owner].append(path)
    for name, paths in found.items():
        if len(paths) != 1:
            raise SluiceError(
                "A quasi-identifier has no hierarchy"
                if not paths
                else "A quasi-identifier has several hierarchies",
                where=f"--hierarchies, field {name}",
                mend=f"have one file there whose name ends in {name}.csv",
            )
    return {name: paths[0] for name, paths in found.items()}
