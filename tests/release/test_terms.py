from __future__ import annotations

import csv

import pytest

from sluice.errors import SluiceError
from sluice.release.terms import duo_terms
from sluice.resources import resource


def test_the_shipped_ontology_has_its_25_codes() -> None:
    with resource("duo", "codes.tsv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert len({row["code"] for row in rows}) == 25
    assert all(row["label"] and row["definition"].endswith(".") for row in rows)
    assert {row["kind"] for row in rows} == {"permission", "modifier"}


@pytest.mark.parametrize("spelling", ["DUO:0000042", "DUO_0000042"])
def test_both_spellings_of_a_code_are_known(spelling: str) -> None:
    assert duo_terms([spelling])[0]["shorthand"] == "GRU"


def test_an_unknown_code_stops_the_bundle() -> None:
    with pytest.raises(SluiceError, match="unknown"):
        duo_terms(["DUO:9999999"])
