"""Writing the whole demo cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sluice.demo.bulk import write_bulk
from sluice.demo.canaries import Canaries, tidy
from sluice.demo.clinical import write_clinical
from sluice.demo.genes import choose_genes
from sluice.demo.hostile import write_hostile
from sluice.demo.imaging import write_imaging
from sluice.demo.people import make_people, make_staff
from sluice.demo.singlecell import read_real_cells, write_singlecell
from sluice.demo.words import Words
from sluice.errors import SluiceError
from sluice.files import replacing_folder

MARKER = "DEMO-COHORT"
FEWEST, MOST = 60, 2000


def make_cohort(raw: Path, seed: int = 20260101, participants: int = 120) -> Canaries:
    """Write the raw files of the cohort ``demo`` as the folder ``raw``.

    The people are invented; the cells come from scanpy's ``pbmc68k_reduced`` and the pixels
    from pydicom's bundled images. The same arguments give the same bytes.

    Parameters
    ----------
    raw
        Folder to write: absent, empty, or an earlier demo cohort, which is replaced.
    seed
        Seed of everything that is drawn.
    participants
        Number of participants, 60 to 2,000.

    Returns
    -------
    Every planted direct identifier with the place that hides it, sorted. They belong in the
    vault, never in ``raw``.

    Raises
    ------
    SluiceError
        If ``raw`` holds something else, or ``participants`` is out of range.
    """
    if not FEWEST <= participants <= MOST:
        raise SluiceError(
            f"The demo cohort has {FEWEST} to {MOST} participants", mend="choose a number between"
        )
    _check_free(raw)
    with replacing_folder(raw) as folder:
        return tidy(_write(folder, seed, participants))


def _check_free(raw: Path) -> None:
    """Refuse to replace anything but an empty folder or an earlier demo cohort."""
    if not raw.exists() and not raw.is_symlink():
        return
    is_folder = raw.is_dir() and not raw.is_symlink()
    if not is_folder or (any(raw.iterdir()) and not (raw / MARKER).is_file()):
        raise SluiceError(
            "The place for the demo cohort holds something else",
            where="raw folder",
            mend="give an absent or empty folder",
        )


def _write(folder: Path, seed: int, participants: int) -> Canaries:
    """Write every file; each part draws from a stream of its own."""
    streams = [np.random.default_rng([seed, part]) for part in range(6)]
    words = Words(streams[0])
    staff = make_staff(words)
    people = make_people(participants, words, staff, streams[1])
    cells = read_real_cells()
    genes = choose_genes(list(cells.genes["gene_id"]))
    (folder / MARKER).write_text("Invented people. Delete this folder freely.\n", encoding="ascii")
    return [
        *write_clinical(folder, people, staff, streams[2]),
        *write_bulk(folder, people, genes, staff, words, streams[3]),
        *write_singlecell(folder, people, cells, staff, words, streams[4]),
        *write_imaging(folder, people, staff, words, streams[5]),
        *write_hostile(folder, people),
    ]
