"""One demo cohort for all tests of the generator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset

from sluice.demo import Canaries, make_cohort


@dataclass(frozen=True)
class Demo:
    """A written cohort and what it hides."""

    raw: Path
    canaries: Canaries

    def table(self, path: str) -> pd.DataFrame:
        """Read a text table, all columns as text."""
        separator = "\t" if path.endswith(".tsv") else ","
        return pd.read_csv(self.raw / path, sep=separator, dtype=str, keep_default_na=False)

    def objects(self) -> list[tuple[str, Dataset]]:
        """Read every DICOM object with its path below raw."""
        paths = sorted((self.raw / "imaging").rglob("*.dcm"))
        return [(p.relative_to(self.raw).as_posix(), pydicom.dcmread(p)) for p in paths]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    raw = tmp_path_factory.mktemp("demo") / "raw"
    return Demo(raw, make_cohort(raw))
