"""The single-cell files: real blood cells, given to invented donors."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import optimize, sparse

from sluice.demo.canaries import Canaries, Canary, in_columns
from sluice.demo.genes import ensembl_of, read_genes
from sluice.demo.people import Participant, Staff
from sluice.demo.words import Words
from sluice.errors import SluiceError

_COMMON_TYPE, _COMMON_CELLS = "Dendritic", 10
_SECOND_RUN_DONORS, _SECOND_RUN_CELLS = 6, 40
_DIRECTIONS = 12


@dataclass(frozen=True)
class RealCells:
    """The 700 cells of scanpy's ``pbmc68k_reduced`` whose genes have an Ensembl id.

    ``logged`` is cells × genes, log1p of values scaled to a common depth; ``counts`` the integer
    counts behind it; ``genes`` has ``gene_id`` and ``symbol``.
    """

    logged: np.ndarray
    counts: np.ndarray
    genes: pd.DataFrame
    cell_type: np.ndarray
    barcodes: list[str]
    umap: np.ndarray


def read_real_cells() -> RealCells:
    """Read the cells from the file inside scanpy's wheel; scanpy itself is not imported."""
    spec = importlib.util.find_spec("scanpy")
    origin = spec.origin if spec is not None and spec.origin is not None else ""
    path = Path(origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
    if not path.exists():
        raise SluiceError(
            "The blood cells that scanpy ships are missing", mend="install scanpy 1.11 or later"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata says that this file has an old format
        data = anndata.read_h5ad(path)
    symbols = list(data.raw.var_names)
    known = ensembl_of(symbols, read_genes())
    kept = [i for i, symbol in enumerate(symbols) if symbol in known]
    logged = sparse.csr_matrix(data.raw.X).toarray().astype(np.float32)
    scaled = np.expm1(logged)
    one = np.where(scaled > 0, scaled, np.inf).min(axis=1, keepdims=True)
    names = [symbols[i] for i in kept]
    genes = pd.DataFrame({"gene_id": [known[name] for name in names], "symbol": names})
    return RealCells(
        logged=logged[:, kept],
        counts=np.rint(scaled / one)[:, kept].astype(np.int64),
        genes=genes,
        cell_type=data.obs["bulk_labels"].astype(str).to_numpy(),
        barcodes=list(data.obs_names),
        umap=np.asarray(data.obsm["X_umap"], dtype=np.float32),
    )


def write_singlecell(
    raw: Path,
    people: list[Participant],
    cells: RealCells,
    staff: Staff,
    words: Words,
    rng: np.random.Generator,
) -> Canaries:
    """Write ``singlecell/`` below ``raw``: one h5ad, and a second run as a 10x triplet."""
    (raw / "singlecell/run2").mkdir(parents=True)
    donors = sorted((p for p in people if p.in_cells), key=_restricted)
    left = (p for p in people if p.consent is not None and p.consent.withdrawn is not None)
    removed = next(p for p in left if not p.in_cells)
    owner = assign_cells(cells, len(donors), rng)
    return [
        *_write_h5ad(raw, donors, removed, owner, cells, staff),
        *_write_second_run(raw, donors, owner, cells, words, rng),
    ]


def _restricted(person: Participant) -> bool:
    """Tell whether a tier or a later release has to go without this donor."""
    consent = person.consent
    return consent is None or consent.code != "PUB" or consent.withdrawn is not None


def assign_cells(cells: RealCells, donors: int, rng: np.random.Generator) -> np.ndarray:
    """Return the donor's number of each cell.

    The cells come from one person, so donors would be alike. Each donor therefore prefers a
    direction among the main components of the cells within their type, and cells are dealt so
    that preferences are met: halves of a donor's cells resemble each other, as they do in
    reality. All but two donors get ten cells of the commonest type.
    """
    centred = cells.logged.copy()
    types = sorted(set(cells.cell_type))
    for kind in types:
        centred[cells.cell_type == kind] -= centred[cells.cell_type == kind].mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    components = left[:, :_DIRECTIONS] * size[:_DIRECTIONS]
    liking = components @ rng.normal(size=(_DIRECTIONS, donors))
    weights = rng.permutation(np.linspace(0.5, 1.5, donors))
    owner = np.full(len(cells.cell_type), -1)
    for kind in types:
        members = np.flatnonzero(cells.cell_type == kind)
        if kind == _COMMON_TYPE:
            quota = np.full(donors, _COMMON_CELLS)
            rest = len(members) - _COMMON_CELLS * (donors - 2)
            quota[-2:] = rest // 2, rest - rest // 2
        else:
            quota = rng.multinomial(len(members), weights / weights.sum())
        seats = np.repeat(np.arange(donors), quota)
        rows, columns = optimize.linear_sum_assignment(-liking[np.ix_(members, seats)])
        owner[members[rows]] = seats[columns]
    return owner


def _write_h5ad(
    raw: Path,
    donors: list[Participant],
    removed: Participant,
    owner: np.ndarray,
    cells: RealCells,
    staff: Staff,
) -> Canaries:
    """Write the first run with identifiers in every corner that a filtered copy keeps."""
    path = "singlecell/cells.h5ad"
    operator, first = staff.operators[1], donors[0]
    of_cell = [donors[i] for i in owner]
    categories = sorted({p.donor_id for p in donors} | {removed.donor_id})
    obs = pd.DataFrame(
        {
            "donor_id": pd.Categorical([p.donor_id for p in of_cell], categories=categories),
            "cell_type": pd.Categorical(cells.cell_type),
            "collected_on": [p.visits[0].day.isoformat() for p in of_cell],
            "library": [f"L{i % 4 + 1}" for i in owner],
        },
        index=pd.Index(cells.barcodes),
    )
    matrix = sparse.csr_matrix(cells.logged)
    data = anndata.AnnData(
        X=matrix,
        obs=obs,
        var=cells.genes.set_index(pd.Index(cells.genes["gene_id"].to_list()))[["symbol"]],
        uns={
            "export": {"by": operator.plain, "remark": f"{first.name.plain} called, {first.phone}"},
            "donors": {p.donor_id: p.mrn for p in donors},
        },
        obsm={
            "X_umap": cells.umap,
            "clinical": pd.DataFrame({"mrn": [p.mrn for p in of_cell]}, obs.index, dtype=object),
        },
        layers={f"ambient_{first.donor_id}": matrix},
    )
    data.raw = data
    data.write_h5ad(raw / path)
    return [
        *in_columns(obs.drop_duplicates("donor_id"), path, {"donor_id": "donor_id"}),
        *in_columns(obs, path, {"collected_on": "event_date"}),
        *(Canary("barcode", barcode, f"{path}:obs_names") for barcode in cells.barcodes),
        *(Canary("donor_id", p.donor_id, f"{path}:uns/donors") for p in donors),
        *(Canary("mrn", p.mrn, f"{path}:uns/donors") for p in donors),
        *(Canary("mrn", p.mrn, f"{path}:obsm/clinical") for p in donors),
        Canary("operator", operator.family, f"{path}:uns/export/by"),
        Canary("family_name", first.name.family, f"{path}:uns/export/remark"),
        Canary("phone", first.phone, f"{path}:uns/export/remark"),
        Canary("donor_id", first.donor_id, f"{path}:layers"),
        Canary("donor_id", removed.donor_id, f"{path}:obs/donor_id categories"),
    ]


def _write_second_run(
    raw: Path,
    donors: list[Participant],
    owner: np.ndarray,
    cells: RealCells,
    words: Words,
    rng: np.random.Generator,
) -> Canaries:
    """Write a later run of six donors: their own cells, thinned by chance, one lane a donor."""
    folder = "singlecell/run2"
    thinned, barcodes, rows = [], [], []
    for lane in range(1, _SECOND_RUN_DONORS + 1):
        person = donors[lane - 1]
        chosen = rng.choice(np.flatnonzero(owner == lane - 1), size=_SECOND_RUN_CELLS)
        thinned.append(rng.binomial(cells.counts[chosen], 0.8))
        letters = rng.choice(list("ACGT"), size=(_SECOND_RUN_CELLS, 16))
        barcodes += [f"{''.join(letter)}-{lane}" for letter in letters]
        day = person.visits[-1].day.isoformat()
        rows.append((lane, words.code("SCS"), person.donor_id, day, "L5"))
    matrix = sparse.coo_matrix(np.vstack(thinned).T)
    entries = pd.DataFrame({"gene": matrix.row + 1, "cell": matrix.col + 1, "count": matrix.data})
    entries = entries.sort_values(["cell", "gene"])
    with (raw / folder / "matrix.mtx").open("w", encoding="ascii", newline="\n") as handle:
        handle.write("%%MatrixMarket matrix coordinate integer general\n")
        handle.write(f"{matrix.shape[0]} {matrix.shape[1]} {matrix.nnz}\n")
        entries.to_csv(handle, sep=" ", index=False, header=False, lineterminator="\n")
    features = cells.genes.assign(kind="Gene Expression")
    _write_plain(raw / folder / "features.tsv", features)
    _write_plain(raw / folder / "barcodes.tsv", pd.DataFrame({"barcode": barcodes}))
    columns = ["lane", "sample_id", "donor_id", "collected_on", "library"]
    samples = pd.DataFrame(rows, columns=columns)
    samples.to_csv(raw / folder / "samples.csv", index=False, lineterminator="\n")
    kinds = {"sample_id": "sample_id", "donor_id": "donor_id", "collected_on": "event_date"}
    return [
        *in_columns(samples, f"{folder}/samples.csv", kinds),
        *(Canary("barcode", barcode, f"{folder}/barcodes.tsv:barcode") for barcode in barcodes),
    ]


def _write_plain(path: Path, table: pd.DataFrame) -> None:
    """Write a table as 10x software does: tabs, no header."""
    table.to_csv(path, sep="\t", index=False, header=False, lineterminator="\n")
