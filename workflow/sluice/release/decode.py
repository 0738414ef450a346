"""Everything that can be read out of a released file, as text, for the last scan."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydicom
from pydicom.dataelem import DataElement

from sluice.errors import SluiceError

_ROWS = 200_000
_TEXT = {".csv", ".html", ".json", ".md", ".txt", ".smk", ""}
_PIXELS = 0x7FE00010


@dataclass
class Content:
    """What a file says.

    Parameters
    ----------
    texts
        Every string, number of a table and name of a structure.
    cells
        Those of them that are a whole cell, attribute or element.
    owned
        (person, text): what stands in a row or file of one person.
    """

    texts: list[str] = field(default_factory=list)
    cells: set[str] = field(default_factory=set)
    owned: list[tuple[str, str]] = field(default_factory=list)

    def add(self, value: object) -> None:
        """Add one whole value."""
        text = str(value)
        self.texts.append(text)
        self.cells.add(text)


def decode(path: Path) -> Content:
    """Read a file of a bundle.

    Raises
    ------
    SluiceError
        If the file is of a kind that a bundle never holds, or cannot be read.
    """
    readers = {".parquet": _parquet, ".h5ad": _h5ad, ".dcm": _dicom} | dict.fromkeys(_TEXT, _text)
    reader = readers.get(path.suffix)
    if reader is None:
        raise SluiceError(
            "The candidate holds a file of a kind that is never released",
            where=f"ending {path.suffix}",
            mend="let the adapter write Parquet, h5ad or DICOM",
        )
    content = Content()
    try:
        reader(path, content)
    except (ValueError, OSError, KeyError, TypeError, pa.ArrowException) as error:
        raise SluiceError(
            "A file of the candidate cannot be read back",
            where=f"a {path.suffix or 'text'} file, {type(error).__name__}",
            mend="run the stage apply again",
        ) from None
    return content


def _parquet(path: Path, content: Content) -> None:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    for metadata in (schema.metadata, *(f.metadata for f in schema), file.metadata.metadata):
        for key, value in (metadata or {}).items():
            content.add(_plain(key))
            content.add(_plain(value))
    for name in schema.names:
        content.add(name)
    content.texts.append(str(file.metadata.created_by))
    for batch in file.iter_batches(batch_size=_ROWS):
        people = batch.column("person").to_pylist() if "person" in schema.names else None
        for column in batch.columns:
            _arrow_values(column, people, content)


def _arrow_values(column: Any, people: list[Any] | None, content: Content) -> None:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        whole = pc.filter(column, pc.equal(column, pc.floor(column)))
        found = pc.unique(whole).to_pylist()
        content.cells |= {str(int(v)) for v in found if v is not None and np.isfinite(v)}
    elif pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        content.cells |= {str(v) for v in pc.unique(column).to_pylist() if v is not None}
    else:
        values = [None if v is None else _plain(v) for v in column.to_pylist()]
        for value in sorted({v for v in values if v is not None}):
            content.add(value)
        if people is not None:
            pairs = {(str(p), v) for p, v in zip(people, values, strict=True) if v is not None}
            content.owned += sorted(pairs)


def _plain(value: object) -> str:
    """Return a value as text; bytes as the characters that they may be."""
    return (
        value.decode("utf-8", errors="backslashreplace") if isinstance(value, bytes) else str(value)
    )


def _h5ad(path: Path, content: Content) -> None:
    with h5py.File(path, "r") as file:
        _attributes(file, content)

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            content.add(name.rsplit("/", 1)[-1])
            _attributes(item, content)
            if isinstance(item, h5py.Dataset):
                for value in _h5_values(name, item):
                    content.add(value)

        file.visititems(visit)
        _own_observations(file, content)


def _attributes(item: h5py.Group | h5py.Dataset, content: Content) -> None:
    for key, value in item.attrs.items():
        content.add(key)
        for one in np.ravel(np.asarray(value, dtype=object)):
            content.add(_plain(one))


def _h5_values(name: str, item: h5py.Dataset) -> Iterator[str]:
    """Yield strings wherever they are, and whole numbers of annotations (not of the matrix)."""
    names = item.dtype.names or ()
    if item.shape is None:
        return
    if names:
        yield from (_plain(v) for row in np.ravel(item[()]) for v in row)
    elif item.dtype.kind in "SOU":
        yield from sorted({_plain(v) for v in np.ravel(item[()])})
    elif item.dtype.kind == "V":
        yield from (_plain(np.asarray(v).tobytes()) for v in np.ravel(item[()]))
    elif name.split("/")[0] in ("obs", "var", "uns") and item.dtype.kind in "iuf":
        values = np.unique(np.ravel(item[()]))
        whole = values[np.isfinite(values) & (values == np.floor(values))]
        yield from (str(int(v)) for v in whole)


def _own_observations(file: h5py.File, content: Content) -> None:
    """Note what stands in the row of a person (of a sample or a cell)."""
    obs = file.get("obs")
    if not isinstance(obs, h5py.Group) or "donor_id" not in obs:
        return
    people = _column(obs["donor_id"])
    for name in obs:
        values = _column(obs[name]) if name != "__categories" else []
        if len(values) == len(people):
            content.owned += sorted(set(zip(people, values, strict=True)))


def _column(item: h5py.Group | h5py.Dataset) -> list[str]:
    """Return a column of strings, plain or categorical; nothing for numbers."""
    if isinstance(item, h5py.Group):
        if "codes" not in item or "categories" not in item:
            return []
        categories = [_plain(v) for v in item["categories"][()]]
        return ["" if code < 0 else categories[code] for code in item["codes"][()]]
    return [_plain(v) for v in item[()]] if item.dtype.kind in "SOU" else []


def _dicom(path: Path, content: Content) -> None:
    dataset = pydicom.dcmread(path)
    content.texts.append(_plain(dataset.preamble or b""))
    for element in (*dataset.file_meta.iterall(), *dataset.iterall()):
        for text in _element_texts(element):
            content.add(text)
            content.cells |= set(text.replace("=", "^").split("^"))
    # data/imaging/<person>/<study>/<series>/<instance>.dcm
    parts = path.parts
    person = parts[parts.index("imaging") + 1] if "imaging" in parts else ""
    content.owned = [(person, text) for text in content.texts]


def _element_texts(element: DataElement) -> Iterator[str]:
    if element.VR == "SQ" or element.value is None or element.tag == _PIXELS:
        return
    many = element.value if element.VM > 1 and not isinstance(element.value, bytes) else None
    for value in [element.value] if many is None else many:
        if isinstance(value, bytes):
            yield value.decode("latin-1")
            yield value.decode("utf-16-le", errors="replace")
        else:
            yield str(value)


def _text(path: Path, content: Content) -> None:
    text = path.read_bytes().decode("utf-8")
    # What an HTML page or a URL shows is not what its bytes say.
    content.texts += [text, html.unescape(text), unquote(text)]
    if path.suffix == ".json":
        for value in _json_values(json.loads(text)):
            content.add(value)
    elif path.suffix == ".csv":
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                content.add(cell)


def _json_values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():  # keys are this product's own; they are searched as text
            yield from _json_values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _json_values(inner)
    else:
        yield str(value)
