"""What the candidate shows of a person's images."""

from __future__ import annotations

import pandas as pd

from sluice.dicom.reader import read
from sluice.jobs import Job
from sluice.modalities.imaging.headers import PATHS, header
from sluice.modalities.imaging.people import told
from sluice.modalities.imaging.released import released_files
from sluice.modalities.shared.told import long


def shown(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value`` read back from the released headers, by pseudonym."""
    return long(told(*read_back(released_files(job, job.tier))))


def read_back(files: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``subject, study`` of each released object, and its header in the same order."""
    tags = {path.name: header(read(path)) for path in files["path"]}
    instances = pd.DataFrame(
        {"subject": files["person"], "study": [path.parts[-3] for path in files["path"]]}
    )
    headers = pd.DataFrame.from_dict(tags, orient="index").reindex(columns=[*PATHS])
    return instances, headers.astype(object).where(headers.notna(), None)
