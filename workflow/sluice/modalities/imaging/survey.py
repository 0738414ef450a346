"""Counting what raw headers hold, element by element, without keeping a value."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

import pandas as pd
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset

from sluice.config.cohort import Role
from sluice.dicom.reader import values_of, walk_elements
from sluice.modalities.imaging.headers import UNREADABLE
from sluice.modalities.imaging.roles import identifiers, role
from sluice.modalities.shared.fields import INVENTORY_COLUMNS

_ITEM_NUMBER = re.compile(r"\[\d+\]")
# From so many values on, an element that is another in so large a share of them links objects.
_TELLING, _MOSTLY = 20, 0.9


@dataclass
class _Field:
    """One element's path over all objects; ``values`` holds digests of its values."""

    vr: str
    role: Role
    objects: int = 0
    values: Counter[bytes] = field(default_factory=Counter)

    @property
    def unique_share(self) -> float:
        total = self.values.total()
        return sum(1 for n in self.values.values() if n == 1) / total if total else 0.0

    @property
    def suggested(self) -> Role:
        """The table's role, doubted where nearly each value is another: that links."""
        doubtful = self.role == "safe" and self.values.total() > _TELLING
        return "linkage" if doubtful and self.unique_share > _MOSTLY else self.role


_MAKERS = (0x00080070, 0x00081090)  # Manufacturer, Manufacturer's Model Name


@dataclass
class Survey:
    """Inventory of every element, also nested and private, and the identifiers of each file."""

    objects: int = 0
    fields: dict[str, _Field] = field(default_factory=dict)
    found: set[tuple[str, str, str]] = field(default_factory=set)
    makers: set[str] = field(default_factory=set)

    def add(self, file_id: str, dataset: FileDataset) -> None:
        """Count the elements of one object and note (file_id, kind, value) of its identifiers."""
        self.objects += 1
        filled: set[str] = set()
        for path, element in walk_elements(dataset):
            name = _ITEM_NUMBER.sub("[]", path)
            if name not in self.fields:
                self.fields[name] = _Field(element.VR, role(int(element.tag), element.VR))
            if element.VR == "SQ":
                filled |= {name} if element.value else set()
                continue
            if (digest := _digest(element)) is None:
                continue
            filled.add(name)
            self.fields[name].values[digest] += 1
            named = identifiers(int(element.tag), element.VR, values_of(element))
            self.found |= {(file_id, kind, value) for kind, value in named}
            if element.tag in _MAKERS:
                self.makers.add(str(element.value).strip().casefold())
        for name in filled:
            self.fields[name].objects += 1

    def identifiers(self) -> set[tuple[str, str, str]]:
        """Return the identifiers found; an institution named as a maker is the maker's own demo."""
        return {
            (file_id, kind, value)
            for file_id, kind, value in self.found
            if kind != "institution" or value.casefold() not in self.makers
        }

    def inventory(self) -> pd.DataFrame:
        """Return the inventory; ``n`` counts objects, and a path has ``[]`` for any item."""
        rows = [
            {
                "field": name,
                "type": found.vr,
                "n": self.objects,
                "missing": self.objects - found.objects,
                "distinct": len(found.values),
                "unique_share": found.unique_share,
                "role": found.role,
                "suggested_role": found.suggested,
            }
            for name, found in sorted(self.fields.items())
        ]
        return pd.DataFrame(rows, columns=INVENTORY_COLUMNS)


def _digest(element: DataElement) -> bytes | None:
    """Return a short digest of a value, ``None`` where there is none or it cannot be read."""
    try:
        if element.is_empty:
            return None
        value = element.value
        content = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
    except UNREADABLE:
        return None
    return hashlib.blake2b(content, digest_size=8).digest()
