"""The raw sources of bulk expression."""

from __future__ import annotations

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.expression.readers import BulkSource, open_bulk
from sluice.jobs import Job
from sluice.modalities.shared.rawfiles import source_path


def bulk_sources(job: Job) -> tuple[Source, list[Source]]:
    """Return the matrix and the sample sheets.

    Raises
    ------
    SluiceError
        Unless there is exactly one matrix, at least one sheet, and nothing else.
    """
    assert job.settings.raw is not None
    by_table: dict[str, list[Source]] = {"matrix": [], "samples": []}
    for source in job.settings.raw.sources:
        if source.table not in by_table:
            raise SluiceError(
                "A bulk source names a table that does not exist",
                where=f"source {source.file}",
                mend="choose one of: matrix, samples",
            )
        by_table[source.table].append(source)
    if len(by_table["matrix"]) != 1 or not by_table["samples"]:
        raise SluiceError(
            "Bulk expression needs exactly one matrix and at least one sample sheet",
            where=f"cohort {job.settings.cohort}, modality bulk",
            mend="join matrices at the source, or mend the cohort file",
        )
    return by_table["matrix"][0], by_table["samples"]


def open_matrix_source(job: Job, source: Source) -> BulkSource:
    """Open the raw matrix.

    Columns of it that the cohort file lists under ``columns`` are no samples and not read.
    """
    if source.value_kind is None:
        raise SluiceError(
            "The matrix does not say what its values are",
            where=f"source {source.file}",
            mend="write `value_kind:` counts, tpm or log",
        )
    return open_bulk(
        source_path(job.layout.raw_cohort, source.file),
        value_kind=source.value_kind,
        orientation=source.orientation,
        id_column=source.id_column,
        drop_columns=list(source.columns),
        layer=source.layer or "X",
    )
