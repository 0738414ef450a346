"""Surface leaks: what a file of expression shows without any statistics.

The attacker opens the file and reads: slots that nobody meant to publish, cells' own barcodes,
receptor sequences, variants called in cells, counts by allele, and any identifier that is known.
Each is a count, and a release must have none; the raw files are the positive control.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set
from pathlib import Path

import h5py
import numpy as np

from sluice.errors import SluiceError
from sluice.expression.genes import excluded, load_genes, to_ensembl

#: What a released h5ad is made of, besides the columns of obs and var.
_WHOLE = {"X", "X/data", "X/indices", "X/indptr", "obs", "var", "uns", "uns/title", "uns/schema",
          "uns/organism_ontology_term_id"}  # fmt: skip
_RECEPTOR_GENES = ("IG", "KIR", "HLA", "TCR")
_BARCODE = re.compile(r"(?:.*[_:#-])?[ACGTN]{10,}(?:-\d+)?")
# AIRR's names of columns, and what receptor pipelines call their own.
_RECEPTOR = re.compile(
    r"(?:^|[_.])(?:junction|cdr[123]|[vdjc]_(?:call|gene)|clonotype|clone_id|tr[abgd]|ig[hkl])"
    r"(?:$|[_.])",
    re.IGNORECASE,
)
_SEQUENCE = re.compile(r"[ACGT]{18,}|C[ACDEFGHIKLMNPQRSTVWY]{5,28}[FW]")
_VARIANT = re.compile(
    r"(?:chr)?(?:\d{1,2}|X|Y|MT?)[:_]\d+[:_ ]?[ACGT]+[>/:_][ACGT]+"
    r"|rs\d{3,}|m?\.?\d+[ACGT]>[ACGT]"
)
_ALLELE = re.compile(
    r"(?:^|[_.])(?:allel\w*|haplotype|hap[12]|[mp]aternal|(?:ref|alt)_?counts?|genotypes?)(?:$|[_.])",
    re.IGNORECASE,
)


def surface_leaks(path: Path, known: Set[str] = frozenset()) -> Counter[str]:
    """Count what an HDF5 file of expression shows, by kind; nothing shown is an empty counter.

    Parameters
    ----------
    path
        An h5ad or a 10x ``.h5``.
    known
        Identifiers: each counts once if it is a name, an attribute's value or a text of the file.

    Raises
    ------
    SluiceError
        If the file cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            # HDF5 itself does not look at what stands before its own bytes.
            found = Counter({"bytes before the file": int(file.userblock_size > 0)})
            rows = [_index(file, part) for part in ("obs", "var")]
            cells, genes = (_strings(item) for item in rows)
            names, texts = _read(file, {item.name for item in rows if item is not None})
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError):
        raise SluiceError("A file of expression cannot be read", where="surface leaks") from None
    parts = {part for name in names for part in name.split("/")}
    found["slots"] = sum(_is_extra(name) for name in names)
    found["barcodes"] = sum(bool(_BARCODE.fullmatch(cell)) for cell in cells)
    found["receptors"] = sum(bool(_RECEPTOR.search(part)) for part in parts)
    found["receptors"] += sum(bool(_SEQUENCE.fullmatch(text)) for text in texts)
    found["receptor genes"] = _excluded_genes(genes)
    found["variants"] = sum(bool(_VARIANT.fullmatch(text)) for text in parts | texts | genes)
    found["alleles"] = sum(bool(_ALLELE.search(part)) for part in parts)
    found["identifiers"] = len((known & cells) | (known & (parts | texts | genes)))
    return +found


def _is_extra(name: str) -> bool:
    return name not in _WHOLE and name.split("/")[0] not in ("obs", "var")


def _read(file: h5py.File, but: Set[str]) -> tuple[set[str], set[str]]:
    """Return all items' paths, and every text in an attribute or a dataset not in ``but``."""
    names: set[str] = set()
    texts: set[str] = set()

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        names.add(name)
        for key, value in item.attrs.items():
            texts.update({key, *_decoded(value)})
        if isinstance(item, h5py.Dataset) and item.name not in but:
            texts.update(_strings(item))

    visit("X", file)  # attributes of the file itself
    file.visititems(visit)
    # Links are not followed, and may lead nowhere; their names and targets are there all the same.
    links = [(key, file.get(key, getlink=True)) for key in file]
    soft = [(key, link) for key, link in links if not isinstance(link, h5py.HardLink)]
    return names | {key for key, _ in soft}, texts | {str(link.path) for _, link in soft}


def _strings(item: h5py.Dataset | None) -> set[str]:
    """Return every text of a dataset; of one that holds numbers, none."""
    if item is None or item.dtype.kind not in "OSU" or item.shape is None:
        return set()
    return _decoded(item[()])


def _decoded(value: object) -> set[str]:
    values = np.asarray(value, dtype=object).ravel()
    return {v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values}


def _index(file: h5py.File, part: str) -> h5py.Dataset | None:
    """Return the names of the rows of obs or var, in 10x's form those of cells or features."""
    if isinstance(frame := file.get(part), h5py.Group) and "_index" in frame.attrs:
        item = frame[frame.attrs["_index"]]
        item = item["values"] if isinstance(item, h5py.Group) else item
    else:
        item = file.get({"obs": "matrix/barcodes", "var": "matrix/features/id"}[part])
    return item if isinstance(item, h5py.Dataset) else None


def _excluded_genes(names: Set[str]) -> int:
    """Count genes that carry personal alleles; a name that the annotation lacks is none of them."""
    known = frozenset(load_genes().index)
    ids = [gene for gene in to_ensembl(sorted(names))[0] if gene in known]
    return int(excluded(ids, _RECEPTOR_GENES).sum()) if ids else 0
