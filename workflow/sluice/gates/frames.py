"""Released files as tables that a contract can judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sluice.config import Config
from sluice.files.tables import read_table


@dataclass(frozen=True)
class Released:
    """Released files that are judged together.

    Parameters
    ----------
    modality
        Folder below the tier's data.
    name
        File name relative to the part's folder; for DICOM the glob that covers all of them.
    product
        The product that they belong to; ``None``: none, which is a fault.
    folders, files
        Each file with the folder of its part.
    """

    modality: str
    name: str
    product: str | None
    files: tuple[tuple[Path, Path], ...]


def released_files(config: Config, tier: str, plan: Mapping[str, Any]) -> list[Released]:
    """List what ``apply`` wrote for a tier, by modality and file (all DICOM files as one)."""
    found: dict[tuple[str, str, str | None], list[tuple[Path, Path]]] = {}
    for modality, folder in _folders(config, tier):
        owners = _owners(folder, (plan["modalities"].get(modality) or {}).get("files") or {})
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                name = file.relative_to(folder).as_posix()
                product = file.stem if tier == "public" else owners.get(file)
                name = "**/*.dcm" if file.suffix == ".dcm" else name
                found.setdefault((modality, name, product), []).append((folder, file))
    order = sorted(found.items(), key=lambda item: tuple(map(str, item[0])))
    return [Released(*key, files=tuple(files)) for key, files in order]


def _folders(config: Config, tier: str) -> list[tuple[str, Path]]:
    if tier == "public":
        return [("products", config.layout.data(tier, "products", "all"))]
    return [
        (modality, config.layout.data(tier, modality, part))
        for modality in config.modalities
        for part in config.parts(modality)
    ]


def _owners(folder: Path, files: Mapping[str, list[str]]) -> dict[Path, str]:
    return {
        file: product
        for product, globs in sorted(files.items())
        for pattern in globs
        for file in folder.glob(pattern)
    }


def frame(released: Released, kind: str) -> pd.DataFrame:
    """Return what a suite judges of released files, text columns as plain text."""
    table = _FRAMES[kind](released)
    for name in table.columns:
        if isinstance(table[name].dtype, pd.CategoricalDtype):
            table[name] = table[name].astype(object)
    return table


def _table(released: Released) -> pd.DataFrame:
    return pd.concat([read_table(file) for _, file in released.files], ignore_index=True)


def _of_h5ad(element: str) -> Callable[[Released], pd.DataFrame]:
    def read(released: Released) -> pd.DataFrame:
        import h5py
        from anndata.io import read_elem

        tables = []
        for _, path in released.files:
            with h5py.File(path) as file:
                tables.append(read_elem(file[element]).rename_axis("name").reset_index())
        return pd.concat(tables, ignore_index=True)

    return read


def _slots(released: Released) -> pd.DataFrame:
    """One row a slot of an h5ad: ``X``, ``obs``, ``var``, and each member of the others."""
    import h5py

    slots: list[str] = []
    for _, path in released.files:
        with h5py.File(path) as file:
            for name, item in sorted(file.items()):
                whole = name in ("X", "obs", "var") or not isinstance(item, h5py.Group)
                slots += [name] if whole else [f"{name}/{member}" for member in sorted(item)]
    return pd.DataFrame({"slot": slots})


def _headers(released: Released) -> pd.DataFrame:
    """One row a series: where it lies, and what the header of its first instance says.

    Every instance is read by the residual search; here one stands for its series.
    """
    import pydicom

    series: dict[Path, tuple[Path, Path]] = {}
    for folder, file in released.files:
        series.setdefault(file.parent, (folder, file))
    rows = []
    for folder, file in series.values():
        header = pydicom.dcmread(file, stop_before_pixels=True)
        place = file.relative_to(folder)
        rows.append(
            {
                "path": place.as_posix(),
                "person": place.parts[0],
                "patient_id": _text(header, "PatientID"),
                "birth_date": _text(header, "PatientBirthDate"),
                "study_date": _text(header, "StudyDate"),
                "modality": _text(header, "Modality"),
                "identity_removed": _text(header, "PatientIdentityRemoved"),
                "burned_in": _text(header, "BurnedInAnnotation"),
                "preamble_is_empty": not any(header.preamble or b""),
                "private_elements": sum(element.tag.is_private for element in header),
            }
        )
    return pd.DataFrame(rows)


def _text(header: Any, keyword: str) -> str | None:
    """Return an element as text; ``None`` where it is absent or empty."""
    return str(header.get(keyword) or "") or None


_FRAMES: dict[str, Callable[[Released], pd.DataFrame]] = {
    "table": _table,
    "obs": _of_h5ad("obs"),
    "var": _of_h5ad("var"),
    "slots": _slots,
    "headers": _headers,
}
