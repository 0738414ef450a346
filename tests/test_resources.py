"""The shipped files are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import SluiceError
from sluice.resources import resource, shipped

ROOT = Path(__file__).resolve().parents[1]


def test_a_checkout_serves_its_own_files() -> None:
    assert shipped() == ROOT
    assert resource("genes", "sets.gmt") == ROOT / "resources" / "genes" / "sets.gmt"


def test_a_wheel_serves_its_packed_files(tmp_path: Path) -> None:
    (tmp_path / "sluice" / "_shipped").mkdir(parents=True)
    assert shipped(tmp_path / "sluice") == tmp_path / "sluice" / "_shipped"


def test_a_missing_file_is_one_sentence_with_a_mend() -> None:
    with pytest.raises(SluiceError, match=r"resources/genes/absent\.tsv.*install Sluice again"):
        resource("genes", "absent.tsv")
