"""A subset of the CELLxGENE schema: what a released file of cells is checked against.

Ours, small, and by h5py alone; ``resources/singlecell/SOURCE.md`` tells the edition, and what of
the schema is left out and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from sluice.errors import SluiceError
from sluice.expression.annotations import UNKNOWN, Column, obs_columns, vocabulary
from sluice.expression.genes import load_genes

ORGANISM = "NCBITaxon:9606"
_PARTS = {"X", "obs", "var", "uns"}
_DEPRECATED = {"ethnicity", "ethnicity_ontology_term_id", "organism", "organism_ontology_term_id"}
_RESERVED = {"observation_joinid", "experimental_condition", "perturbation_types"}
_RESERVED_UNS = {"schema_version", "schema_reference", "citation", "is_pre_analysis"}
_STEP = 1 << 20


def schema_faults(path: Path, *, values: bool = True) -> list[str]:
    """Return what of a file does not fit, one sentence each, none with a value of the file.

    Parameters
    ----------
    values
        Whether to read the numbers of X too; who has just written them need not.

    Raises
    ------
    SluiceError
        If the file cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            if missing := sorted(_PARTS - set(file)):
                return [f"{part} is missing" for part in missing]
            return [*_parts(file), *_matrix(file, values), *_obs(file), *_var(file), *_uns(file)]
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        raise SluiceError(
            "A file of cells cannot be read", where="h5ad", mend="write it again"
        ) from None


def _parts(file: h5py.File) -> Iterator[str]:
    for name in sorted(set(file) - _PARTS):
        if not isinstance(file[name], h5py.Group) or len(file[name]):
            yield "a part besides X, obs, var and uns is there"


def _matrix(file: h5py.File, read: bool) -> Iterator[str]:
    matrix = file["X"]
    if not isinstance(matrix, h5py.Group) or matrix.attrs.get("encoding-type") != "csr_matrix":
        yield "X is not stored by rows"
        return
    if matrix["data"].dtype != np.float32:
        yield "X is not float32"
    shape = [len(_index(file[part])) for part in ("obs", "var")]
    if matrix.attrs["shape"].tolist() != shape or len(matrix["indptr"]) != shape[0] + 1:
        yield "X does not have the rows of obs and the columns of var"
    if not read:
        return
    values = matrix["data"]
    steps = (values[start : start + _STEP] for start in range(0, len(values), _STEP))
    if not all((np.isfinite(step) & (step != 0)).all() for step in steps):
        yield "X holds stored zeros, or numbers that are missing or infinite"


def _index(frame: h5py.Group) -> np.ndarray:
    return np.asarray(frame[frame.attrs["_index"]].asstr()[:])


def _obs(file: h5py.File) -> Iterator[str]:
    frame = file["obs"]
    if len(set(_index(frame))) != len(frame[frame.attrs["_index"]]):
        yield "obs: names repeat"
    names = {str(name) for name in frame.attrs["column-order"]}
    if names & (_DEPRECATED | _RESERVED) or any(name.startswith("__") for name in names):
        yield "obs: a deprecated or reserved column is there"
    yield from _categories(frame, "donor_id", lambda value: value.strip() != "")
    for column in obs_columns():
        if column.kind == "flag":
            if column.name not in frame:
                yield f"obs: {column.name} is missing"
            elif not isinstance(frame[column.name], h5py.Dataset) or (
                frame[column.name].dtype != bool
            ):
                yield f"obs: {column.name} is not a flag"
            continue
        yield from _categories(frame, column.name, _accepts(column))
        if column.label in frame and column.name in frame:
            yield from _labels(frame, column)


def _accepts(column: Column) -> Callable[[str], bool]:
    """Return whether a value fits. Held back by a floor, it is ``unknown`` in any column."""
    if column.kind == "choice":
        return lambda value: value in (*column.choices, UNKNOWN)
    terms = vocabulary(column.field)

    def accepts(value: str) -> bool:
        parts = value.split(" || ")
        # Only what is released for a term: an exact age would fit the schema, and not the tier.
        fit = all(part in terms and terms[part].released == part for part in parts)
        return value == UNKNOWN or (fit and parts == sorted(set(parts)))

    return accepts


def _categories(frame: h5py.Group, name: str, accepts: Callable[[str], bool]) -> Iterator[str]:
    if name not in frame:
        yield f"obs: {name} is missing"
        return
    item = frame[name]
    if not isinstance(item, h5py.Group) or "codes" not in item:
        yield f"obs: {name} is not categorical"
        return
    categories, codes = item["categories"].asstr()[:], item["codes"][:]
    if len(codes) and codes.min() < 0:
        yield f"obs: {name} has gaps"
    if len(set(np.unique(codes[codes >= 0]))) != len(categories):
        yield f"obs: {name} has categories that no cell has"
    if not all(accepts(str(value)) for value in categories):
        yield f"obs: {name} holds a value that is not allowed"


def _labels(frame: h5py.Group, column: Column) -> Iterator[str]:
    """Check the words of the ontology; a type of cell may be told in a person's own."""
    terms = vocabulary(column.field)
    known = {term.label for term in terms.values()} | {UNKNOWN}
    words = frame[column.label]["categories"].asstr()[:]
    parts = [part for word in words for part in str(word).split(" || ")]
    if column.label != "cell_type" and not set(parts) <= known:
        yield f"obs: {column.label} holds a word that is no term's"


def _var(file: h5py.File) -> Iterator[str]:
    frame = file["var"]
    names = _index(frame)
    if len(set(names)) != len(names):
        yield "var: names repeat"
    if not set(names) <= set(load_genes().index):
        yield "var: a gene is not in the annotation"
    flag = frame.get("feature_is_filtered")
    if not isinstance(flag, h5py.Dataset) or flag.dtype != bool:
        yield "var: feature_is_filtered is missing or not a flag"


def _uns(file: h5py.File) -> Iterator[str]:
    words = file["uns"]
    if _RESERVED_UNS & set(words):
        yield "uns: a reserved key is there"
    if not all(isinstance(item, h5py.Dataset) and item.shape == () for item in words.values()):
        yield "uns: something besides single words is there"
    elif "title" not in words or not str(words["title"].asstr()[()]).strip():
        yield "uns: title is missing"
    organism = words.get("organism_ontology_term_id")
    if not isinstance(organism, h5py.Dataset) or organism.asstr()[()] != ORGANISM:
        yield "uns: organism_ontology_term_id is not that of humans"
