"""`sluice expression release`: one file of cells, without a cohort."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from sluice.errors import SluiceError

_TIERS = ("controlled", "registered", "public")
_KINDS = ("counts", "tpm", "log")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--tier", type=click.Choice(_TIERS), required=True,
              help="Preset to follow. Only controlled may hold cells.")  # fmt: skip
@click.option("--vault", "folder", type=click.Path(path_type=Path), required=True,
              help="Where the keys and the crosswalk live; made if it is missing.")  # fmt: skip
@click.option("--donor", default="donor_id", show_default=True, help="Column that tells the donor.")
@click.option("--cell-type", default="",
              help="Column with types of cells in your own words: released as such.")  # fmt: skip
@click.option("--cells", type=click.Path(path_type=Path),
              help="CSV or TSV, one line a cell, the barcode first; for 10x.")  # fmt: skip
@click.option("--layer", default="X", show_default=True, help="X, raw, or the name of a layer.")
@click.option("--values", type=click.Choice(_KINDS), default="counts", show_default=True,
              help="What the numbers are; anything else is refused.")  # fmt: skip
@click.option("--hide-sex", is_flag=True, help="Leave out sex, chrX and chrY.")
@click.option("--report", type=click.Path(path_type=Path),
              help="JSON file for the counts; it holds no value of anybody.")  # fmt: skip
@click.option("--max-memory", type=click.IntRange(8), default=16, show_default=True,
              help="Megabytes for the matrix; names and columns of cells add to it.")  # fmt: skip
def release(source: Path, target: Path, tier: str, folder: Path, **options: Any) -> None:
    """Write what a tier may hold of the cells in SOURCE to TARGET, an h5ad.

    SOURCE is an h5ad, a 10x .h5 or a 10x folder. Cells get new names and their donors
    pseudonyms; at most 2,000 cells of a donor stay; columns are CELLxGENE's, with values from
    their ontologies. Raw, layers, embeddings and notes of the file stay behind.
    """
    from sluice.files import write_json
    from sluice.identity import Vault
    from sluice.modalities.singlecell.file import Request, preset, release_file

    preset(tier)  # a tier that may hold no cells is told before a vault is made
    if target.suffix != ".h5ad":
        raise SluiceError("The target does not end in .h5ad", mend="name it so")
    if target.exists():
        raise SluiceError("The target is there already", mend="name a new file")
    request = Request(
        donor=options["donor"],
        cell_type=options["cell_type"],
        layer=options["layer"],
        value_kind=options["values"],
        cells=options["cells"],
        hide_sex=options["hide_sex"],
        memory=options["max_memory"] << 20,
    )
    vault = Vault(folder / "expression", "expression")
    found = release_file(source, target, tier, vault, request, _Progress())
    if options["report"]:
        write_json(options["report"], found.as_json())
    counts = found.counts
    click.echo(f"{counts['cells out']} of {counts['cells in']} cells of "
               f"{counts['donors out']} of {counts['donors in']} donors released, "
               f"{counts['genes out']} of {counts['genes in']} genes")  # fmt: skip
    for fault in found.faults:
        click.echo(f"  CELLxGENE: {fault}", err=True)


class _Progress:
    """Says how far the writing is, once a second and at its end."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if done == total or time.monotonic() - self._said >= 1:
            self._said = time.monotonic()
            click.echo(f"{done} of {total} cells written", err=True)
