"""The answer key: what each place of each instance must look like afterwards.

The categories and their meaning are those of the Medical Image De-Identification Benchmark. A
place is a path of steps, outermost first, joined by ``" > "``:

- ``00100010``: an element;
- ``0040A730[2]``: the third item of a sequence;
- ``0040A730[code 121071#1]``: the second item whose concept name has that code value, so that
  another item may go without moving it;
- ``0019[SIEMENS MR HEADER]0C``: a private element by its creator, wherever its block lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from benchmarks.imaging.scanner import unfolded

REMOVALS = ("text_removed", "date_shifted", "uid_changed", "pixels_hidden")
RETENTIONS = (
    "tag_retained",
    "text_notnull",
    "text_retained",
    "uid_consistent",
    "patid_consistent",
    "pixels_retained",
)
CATEGORIES = REMOVALS + RETENTIONS

_STEP = re.compile(
    r"(?P<group>[0-9A-F]{4})(?:\[(?P<creator>[^\]]*)\])?(?P<element>[0-9A-F]{2,4})"
    r"(?:\[(?:(?P<item>\d+)|code (?P<code>[^\]#]+)#(?P<nth>\d+))\])?"
)


@dataclass(frozen=True)
class Check:
    """One thing to be true of one place.

    Attributes
    ----------
    instance
        Path of the raw file below the raw folder.
    category
        One of :data:`CATEGORIES`.
    path
        The place, as the module tells.
    answer
        The text, UID, date or digest that the category speaks of.
    box
        Left, top, right and bottom of burned-in text, in pixels.
    """

    instance: str
    category: str
    path: str
    answer: str = ""
    box: tuple[int, int, int, int] | None = None


def write(checks: Iterable[Check], path: Path) -> None:
    """Write the key, a line a check."""
    with path.open("w", encoding="utf-8") as handle:
        for check in checks:
            handle.write(json.dumps(asdict(check), ensure_ascii=False) + "\n")


def read(path: Path) -> Iterator[Check]:
    """Read what :func:`write` wrote."""
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            row = json.loads(line)
            box = row.pop("box")
            yield Check(**row, box=tuple(box) if box else None)


def element_at(dataset: Dataset, path: str) -> DataElement | None:
    """Return the element at a place, ``None`` if it is absent or cannot be read."""
    *outer, last = _steps(path)
    for step in outer:
        item = _item(_element(dataset, step), step)
        if item is None:
            return None
        dataset = item
    return _element(dataset, last)


def text_of(element: DataElement) -> str:
    """Return a value as text: components joined by a backslash; bytes as all that they hold."""
    value = element.value
    if element.VR == "SQ":
        return f"{len(value)} items" if value else ""
    if isinstance(value, bytes):
        return unfolded(value).strip("\0 ")
    if isinstance(value, (MultiValue, list)):
        return "\\".join(_plain(part) for part in value)
    return "" if value is None else _plain(value)


def general(path: str) -> str:
    """Return a path without its item numbers, for counting what fails alike."""
    return re.sub(r"\[\d+\]", "[]", re.sub(r"#\d+\]", "]", path))


def _plain(value: Any) -> str:
    # The text as it stands in the file, not the number rounded.
    written = getattr(value, "original_string", None)
    return (written if isinstance(written, str) else str(value)).strip("\0 ")


@cache
def _steps(path: str) -> tuple[dict[str, str | None], ...]:
    found = []
    for step in path.split(" > "):
        match = _STEP.fullmatch(step)
        if match is None:
            raise ValueError(f"not a path: {path}")
        found.append(match.groupdict())
    return tuple(found)


def _element(dataset: Dataset, step: dict[str, str | None]) -> DataElement | None:
    group, element = int(step["group"] or "", 16), int(step["element"] or "", 16)
    try:
        if step["creator"] is None:
            tag = Tag(group, element)
        else:
            tag = dataset.private_block(group, step["creator"]).get_tag(element)
        return dataset.get(tag)
    except Exception:  # whatever a tool may have written there, it is not readable
        return None


def _item(element: DataElement | None, step: dict[str, str | None]) -> Dataset | None:
    if element is None or element.VR != "SQ":
        return None
    items = list(element.value)
    if step["code"] is not None:
        items = [item for item in items if _concept(item) == step["code"]]
    number = int(step["nth"] or step["item"] or 0)
    return items[number] if number < len(items) else None


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].get("CodeValue", "")) if names else ""
