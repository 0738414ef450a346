"""One file of cells, released without a cohort: the same pass, presets for the tier.

Nothing is copied: cells, columns and genes that may leave are read, and written anew under new
names, in the order of the pseudonyms. Everything else of the file is never opened.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from sluice.attacks.surface import surface_leaks
from sluice.errors import SluiceError
from sluice.expression.annotations import Read, obs_columns, own_words, released_annotations
from sluice.expression.genes import SEX_GROUPS
from sluice.expression.schema import ORGANISM, schema_faults
from sluice.expression.singlecell import CellFormat, CellSource, open_cells
from sluice.expression.stream import MEMORY
from sluice.expression.values import SCHEMA, ValueKind
from sluice.expression.write import write_h5ad
from sluice.files.tables import write_table
from sluice.identity import Pseudonyms, Vault
from sluice.modalities.shared.genes import gene_table, permitted_genes
from sluice.modalities.singlecell.cap import capped
from sluice.resources import resource

#: Fewer known genes than this share: another organism, or names that nobody can place.
_KNOWN_GENES = 0.5
# A shorter name of a donor may be any word.
_SHORTEST = 5
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_TITLE = "Cells by genes, {tier} access (sluice expression release)"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Preset:
    """What the default policy says of a tier's cells."""

    exclude_genes: tuple[str, ...]
    max_cells: int
    min_cells: int
    decimals: int


@dataclass(frozen=True)
class Request:
    """What is wanted of a file.

    Attributes
    ----------
    donor, cell_type
        Columns that tell the donor, and a type of cell in the sender's own words ("" for none).
    layer, value_kind
        As in :func:`sluice.expression.singlecell.open_cells`.
    cells
        A table with one row a cell, the barcode first: needed for 10x, which has no columns.
    hide_sex
        Whether sex and every gene that tells it stay out.
    memory
        Bytes that entries of the matrix may take at once.
    """

    donor: str = "donor_id"
    cell_type: str = ""
    layer: str = "X"
    value_kind: ValueKind = "counts"
    cells: Path | None = None
    hide_sex: bool = False
    memory: int = MEMORY


@dataclass
class Report:
    """What became of a file: counts and our own names, no value of anybody."""

    counts: Counter[str] = field(default_factory=Counter)
    columns: list[str] = field(default_factory=list)
    smallest_class: int = 0
    content: str = ""
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the report for writing, counters sorted by name."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "columns": self.columns,
            "donors_alike_in_all_traits_at_least": self.smallest_class,
            "content_digest": self.content,
            "cellxgene_faults": self.faults,
        }


def preset(tier: str) -> Preset:
    """Return a tier's preset.

    Raises
    ------
    SluiceError
        If the tier may hold no cells.
    """
    found = json.loads(resource("singlecell", "presets.json").read_text(encoding="utf-8"))
    if tier not in found:
        raise SluiceError(
            f"The {tier} tier may hold no cells",
            where="POLICY: no individual-level gene matrix outside controlled access",
            mend="use --tier controlled, or `sluice run` with a cohort, which judges group means "
            "by attacks before it releases them",
        )
    return Preset(**found[tier] | {"exclude_genes": tuple(found[tier]["exclude_genes"])})


def release_file(
    source: Path, target: Path, tier: str, vault: Vault, request: Request, progress: Progress
) -> Report:
    """Write what a tier may hold of a file of cells.

    Parameters
    ----------
    source
        An h5ad, a 10x ``.h5``, or a 10x folder.
    target
        Gets the h5ad, whole or not at all.
    vault
        Its keys make the new names; it gets a crosswalk named after the release's content.
    progress
        Is told how many cells are written, and how many there are.
    """
    rules, report = preset(tier), Report()
    opened = open_cells(source, _format(source), request.layer, value_kind=request.value_kind)
    genes = _genes(opened, rules, request, report.counts)
    maps = vault.pseudonyms("file", tier, "series")
    cells = _cells(opened, request, rules, vault, tier, report.counts)
    cells["person"] = cells["subject"].map({s: maps.person(s) for s in cells["subject"].unique()})
    cells["name"] = _new_names(cells, maps)
    cells = cells.sort_values(["person", "name"])
    blocks = opened.iter_rows(
        cells["row"].to_numpy(),
        columns=genes["row"].to_numpy(),
        memory=request.memory,
        folder=target.parent,
    )
    report.content = write_h5ad(
        target,
        _told(_rounded(blocks, request, rules), len(cells), progress),
        _obs(cells, opened, request, report),
        _var(genes),
        title=_TITLE.format(tier=tier),
        schema=f"{SCHEMA} {request.value_kind}",
        organism=ORGANISM,
    )
    _refuse_leaks(target, {*cells["donor"].unique(), *cells["barcode"].tolist()})
    report.faults = schema_faults(target, values=False)
    place = vault.folder / "crosswalks" / f"{report.content[:16]}.parquet"
    write_table(vault.place(place), cells[["donor", "barcode", "person", "name"]])
    return report


def _refuse_leaks(target: Path, names: set[str]) -> None:
    """Look at the finished file as an attacker would; take it back if it shows anything."""
    found = surface_leaks(target, {name for name in names if len(name) >= _SHORTEST})
    if found:
        target.unlink()
        kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(found.items()))
        raise SluiceError(
            "The written file shows what it may not, and was removed",
            where=kinds,
            mend="rename donors that are called like a word of an ontology; else report it",
        )


def _var(genes: pd.DataFrame) -> pd.DataFrame:
    named = genes["symbol"].fillna(genes["gene_id"])
    var = pd.DataFrame({"feature_is_filtered": False, "feature_name": named})
    return var.set_index(pd.Index(genes["gene_id"]))


def _format(source: Path) -> CellFormat:
    if source.is_dir():
        return "10x_mtx"
    if not source.is_file():
        raise SluiceError("The source is not there", mend="name an h5ad, a 10x .h5 or a 10x folder")
    formats: dict[str, CellFormat] = {".h5ad": "h5ad", ".h5": "10x_h5"}
    if source.suffix not in formats:
        raise SluiceError(
            "A file of cells has a format that is not read",
            where="suffix of the file name",
            mend="give an h5ad, a 10x .h5 or a 10x folder",
        )
    return formats[source.suffix]


def _genes(
    source: CellSource, rules: Preset, request: Request, counts: Counter[str]
) -> pd.DataFrame:
    """Return ``row, gene_id, symbol`` of the genes that may leave, in the order of the file.

    That order is the reference's and tells nothing of anybody; another would cost a sort of
    every cell.
    """
    if len(set(source.genes)) != len(source.genes):
        raise SluiceError(
            "Gene names repeat",
            where=f"{len(source.genes) - len(set(source.genes))} of {len(source.genes)} genes",
            mend="give Ensembl ids, or make the names unique at their source",
        )
    if _genomes(source) > 1:
        raise SluiceError(
            "The genes belong to more than one genome version",
            where="column genome of the genes",
            mend="align all samples to one reference, or split the file",
        )
    table = gene_table(source.genes, counts)
    if table["chromosome"].notna().sum() < _KNOWN_GENES * len(source.genes):
        raise SluiceError(
            "Fewer than half of the genes are known human genes",
            where=f"{len(source.genes)} genes",
            mend="name genes by Ensembl id or HGNC symbol; only human data are released",
        )
    groups = [*rules.exclude_genes, *(SEX_GROUPS if request.hide_sex else ())]
    kept = permitted_genes(table, groups, counts)
    counts["genes in"], counts["genes out"] = len(source.genes), len(kept)
    return kept


def _genomes(source: CellSource) -> int:
    """Count the genomes that the file itself names."""
    if source.fmt == "10x_mtx":
        return 1
    with h5py.File(source.path, "r") as file:
        item = file.get("var/genome" if source.fmt == "h5ad" else "matrix/features/genome")
        names = item["categories"] if isinstance(item, h5py.Group) else item
        if not isinstance(names, h5py.Dataset):
            return 1
        return len(set(names.asstr()[:]) - {""})


def _reading(source: CellSource, request: Request) -> Read:
    """Return what reads a column of the cells, from the file or from the table beside it."""
    if request.cells is None:
        return lambda name: source.column(name) if name in source.columns else None
    table = _cell_table(request.cells)
    placed = table.reindex(source.barcodes()).reset_index(drop=True)
    placed = placed.astype(object).where(placed.notna(), None)
    return placed.get


def _cell_table(path: Path) -> pd.DataFrame:
    """Return a table of cells as text, by barcode."""
    packed = path.suffix == ".gz"
    delimiter = _DELIMITERS.get(Path(path.stem).suffix if packed else path.suffix)
    if delimiter is None or not path.is_file():
        raise SluiceError("The table of cells is not there, or neither .csv nor .tsv", mend="")
    try:
        with gzip.open(path, "rt") if packed else path.open(encoding="utf-8", newline="") as text:
            header, *rows = csv.reader(text, delimiter=delimiter)
        table = pd.DataFrame(rows, columns=header).set_index(header[0])
    except (OSError, ValueError, EOFError, csv.Error):
        raise SluiceError(
            "The table of cells cannot be read",
            where="--cells",
            mend="give one header line, then one line a cell with as many fields",
        ) from None
    if not table.index.is_unique or not table.columns.is_unique:
        raise SluiceError(
            "Barcodes or columns of the table of cells repeat", where="--cells", mend="keep one"
        )
    return table.replace("", None)


def _cells(
    source: CellSource,
    request: Request,
    rules: Preset,
    vault: Vault,
    tier: str,
    counts: Counter[str],
) -> pd.DataFrame:
    """Return ``row, barcode, donor, subject`` of the cells that may leave."""
    barcodes = pd.Series(source.barcodes(), dtype=object)
    if not barcodes.is_unique:
        raise SluiceError(
            "Barcodes repeat",
            where=f"{int(barcodes.duplicated().sum())} of {len(barcodes)} cells",
            mend="add the sample to each barcode, or split the file by sample",
        )
    donors = _reading(source, request)(request.donor)
    if donors is None:
        raise SluiceError(
            "The column that tells the donor is not there",
            where="--donor",
            mend="name a column of obs, or give the cells' columns by --cells",
        )
    cells = pd.DataFrame({"row": range(len(barcodes)), "barcode": barcodes, "donor": donors})
    missing = donors.isna() | (donors.astype(str).str.strip() == "")
    counts["cells in"], counts["cells without donor left out"] = len(cells), int(missing.sum())
    cells = cells[~missing].assign(donor=donors[~missing].astype(str))
    people = {donor: vault.subject(donor) for donor in cells["donor"].unique()}
    cells["subject"] = cells["donor"].map(people)
    counts["donors in"] = len(people)
    enough = cells.groupby("subject")["row"].transform("size") >= rules.min_cells
    counts["donors with too few cells left out"] = cells.loc[~enough, "subject"].nunique()
    kept = capped(cells[enough], rules.max_cells, vault.key("cell-choice", tier), ["barcode"])
    counts["cells above the cap left out"] = int(enough.sum()) - len(kept)
    if kept.empty:
        raise SluiceError(
            "No donor has enough cells",
            where=f"floor of {rules.min_cells} cells a donor",
            mend="check the column that tells the donor",
        )
    counts["cells out"], counts["donors out"] = len(kept), kept["subject"].nunique()
    return kept


def _new_names(cells: pd.DataFrame, maps: Pseudonyms) -> list[str]:
    pairs = zip(cells["donor"], cells["barcode"], strict=True)
    return [maps.item(f"{donor}\0{barcode}") for donor, barcode in pairs]


def _obs(cells: pd.DataFrame, source: CellSource, request: Request, report: Report) -> pd.DataFrame:
    """Return the released columns of the cells, by new name; count what is not looked at."""
    read, seen = _reading(source, request), {request.donor}

    def chosen(name: str) -> pd.Series | None:
        values = read(name)
        if values is None:
            return None
        seen.add(name)
        return values.iloc[cells["row"].to_numpy()].set_axis(cells.index)

    hidden = ("sex",) if request.hide_sex else ()
    found = released_annotations(chosen, cells["person"], report.counts, leave_out=hidden)
    if request.cell_type:
        own = chosen(request.cell_type)
        if own is None:
            raise SluiceError("The column of cell types is not there", where="--cell-type")
        found["cell_type"] = own_words(own, cells["person"])
    traits = [c.name for c in obs_columns() if c.donors > 1 and c.name in found]
    by_donor = found[traits].assign(person=cells["person"]).drop_duplicates("person")
    if traits:
        report.smallest_class = int(by_donor.groupby(traits).size().min())
    obs = pd.concat([cells["person"].rename("donor_id"), found], axis=1)
    report.columns = list(obs.columns)
    report.counts["columns of the cells left out"] = len(set(source.columns) - seen)
    report.counts["other slots left out"] = sum(
        slot.path.split("/")[0] not in ("X", "obs", "var", "matrix") for slot in source.surface()
    )
    return obs.set_index(pd.Index(cells["name"]))


def _rounded(
    blocks: Iterator[sparse.csr_matrix], request: Request, rules: Preset
) -> Iterator[sparse.csr_matrix]:
    for block in blocks:
        if request.value_kind != "counts":
            block.data = np.round(block.data, rules.decimals)
        yield block


def _told(
    blocks: Iterator[sparse.csr_matrix], total: int, progress: Progress
) -> Iterator[sparse.csr_matrix]:
    done = 0
    for block in blocks:
        yield block
        done += block.shape[0]
        progress(done, total)
