"""Released ``.h5ad`` files: what goes into their columns, and reading them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import pandas as pd

from sluice.config.policy import FieldRule
from sluice.expression.singlecell import CellSource, open_cells
from sluice.expression.values import SCHEMA, ValueKind
from sluice.files.tables import read_table, write_table
from sluice.identity import Pseudonyms
from sluice.jobs import Job
from sluice.modalities.shared.plan import node_level
from sluice.modalities.shared.rules import (
    GENERALISING,
    allowed_tokens,
    intervals,
    ladder,
    shift_dates,
)

_CROSSWALK = ["subject", "person", "kind", "original", "new"]


def released_fields(job: Job, name: str, table: pd.DataFrame, maps: Pseudonyms) -> pd.DataFrame:
    """Return the released columns of a minimized table: each field as its rule says.

    Dates become ISO text, because an h5ad has no dates.
    """
    assert job.settings.modality is not None
    released = pd.DataFrame(index=table.index)
    for field, rule in job.settings.modality.fields.items():
        where, _, column = field.partition(".")
        if where == name and column in table:
            level = node_level(job, rule.as_ or column)
            released[rule.as_ or column] = _values(table, column, rule, level, maps.shift)
            job.counts[f"{field}: {rule.rule}"] += len(table)
    return released


def _values(
    table: pd.DataFrame, column: str, rule: FieldRule, level: int, shift: Callable[[str], int]
) -> pd.Series:
    values = table[column]
    if rule.rule == "shift_date":
        return _iso(shift_dates(values, table["subject"], shift))
    if rule.rule == "interval":
        return intervals(values, table["subject"], rule).astype(float)
    if rule.rule == "text":
        return allowed_tokens(values, rule)
    if rule.rule in GENERALISING or level:
        return ladder(rule)[level](values)
    return _iso(values) if pd.api.types.is_datetime64_any_dtype(values) else values


def _iso(dates: pd.Series) -> pd.Series:
    text = dates.dt.strftime("%Y-%m-%d").astype(object)
    return text.where(dates.notna(), None)


def gene_names(genes: pd.DataFrame) -> pd.DataFrame:
    """Return ``var`` of a released matrix: the genes' names by their ids, under CELLxGENE's word.

    ``genes`` holds ``gene_id`` and ``symbol``; the rows come out in the order of the ids.
    """
    var = genes.sort_values("gene_id").set_index("gene_id")[["symbol"]]
    return var.rename(columns={"symbol": "feature_name"})


def file_words(job: Job, title: str, value_kind: str) -> dict[str, str]:
    """Return the two words of ``uns``: title with the release's address, layout with value kind.

    A copy that is found somewhere tells which release and tier it came from.
    """
    release = job.config.release
    address = f"{release.cohort}/{release.version}/{job.tier}"
    return {"title": f"{title} (sluice_release {address})", "schema": f"{SCHEMA} {value_kind}"}


@dataclass(frozen=True)
class ReleasedMatrix:
    """A released h5ad: the rows' names and columns, the genes, and the matrix to be read."""

    obs: pd.DataFrame
    genes: list[str]
    source: CellSource


def open_released(path: Path) -> ReleasedMatrix:
    """Open an h5ad that ``apply`` wrote. ``obs`` is indexed by the rows' released names."""
    from anndata.io import read_elem  # 1.6 s to import: only where a released file is read

    with h5py.File(path, "r") as file:
        obs = read_elem(file["obs"])
        kind = str(read_elem(file["uns/schema"])).removeprefix(SCHEMA).strip()
    for name in obs.columns:
        if isinstance(obs[name].dtype, pd.CategoricalDtype):
            obs[name] = obs[name].astype(object).where(obs[name].notna(), None)
    source = open_cells(path, "h5ad", value_kind=cast(ValueKind, kind))
    return ReleasedMatrix(obs, source.genes, source)


def write_crosswalk(
    job: Job, subjects: set[str], maps: Pseudonyms, *items: tuple[str, pd.DataFrame]
) -> None:
    """Write who became whom to the vault.

    Parameters
    ----------
    items
        (kind, table with ``subject, original, new``) for samples and cells.
    """
    people = pd.DataFrame({"subject": sorted(subjects)}, dtype=object)
    people = people.assign(kind="person", original=people["subject"])
    people["new"] = people["subject"].map(maps.person)
    tables = [people, *(table.assign(kind=kind) for kind, table in items)]
    links = pd.concat(tables, ignore_index=True)
    links["person"] = links["subject"].map(maps.person)
    links = links[_CROSSWALK].astype(object)
    write_table(
        job.vault.place(job.layout.crosswalk(job.tier, job.modality, "all")),
        links.sort_values(_CROSSWALK).reset_index(drop=True),
    )


def read_crosswalk(job: Job, tier: str, kind: str) -> pd.DataFrame:
    """Return ``subject, person, original, new`` of one kind of identifier."""
    table = read_table(job.layout.crosswalk(tier, job.modality, "all"))
    return table[table["kind"] == kind].drop(columns="kind").reset_index(drop=True)


def h5ad_columns(path: Path) -> dict[str, str]:
    """Return every element of a released h5ad with its type, as the dictionary names them."""
    found: dict[str, str] = {}
    with h5py.File(path, "r") as file:
        for name, item in file.items():
            if name == "X":
                found[name] = f"sparse rows of {item['data'].dtype}"
            else:
                found |= {f"{name}/{key}": _kind(inner) for key, inner in item.items()}
    return found


def _kind(item: Any) -> str:
    if isinstance(item, h5py.Group):
        return "category"
    return "string" if item.dtype.kind in "OSU" else str(item.dtype)


def value_unit(path: Path) -> str:
    """Return the unit of a released matrix in words."""
    with h5py.File(path, "r") as file:
        kind = str(file["uns/schema"].asstr()[()]).removeprefix(SCHEMA).strip()
    words = {"counts": "counts", "tpm": "transcripts per million", "log": "logarithms as curated"}
    return words[kind]
