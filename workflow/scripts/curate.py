"""Curate: one part of one modality from raw files into typed tables keyed by subject.

Reads intake's list and the vault; writes curate/<modality>/<part>/.
"""

from sluice.console import guard
from sluice.jobs import job_from_arguments
from sluice.modalities import load


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("curate", __doc__ or "", "modality", "part")
    curate = load(job.modality, "curate")
    with job.writing(job.layout.curate(job.modality, job.part)) as out:
        curate(job, out)


if __name__ == "__main__":
    raise SystemExit(guard(main))
