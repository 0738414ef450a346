"""De-identify, apply: write one part of one modality anew in released formats; decides nothing.

Writes <tier>/data/<modality>/<part>/ and, in the vault, the crosswalk.
"""

from sluice.console import guard
from sluice.jobs import job_from_arguments
from sluice.modalities import load


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("apply", __doc__ or "", "tier", "modality", "part")
    apply = load(job.modality, "apply")
    with job.writing(job.layout.data(job.tier, job.modality, job.part)) as out:
        apply(job, out)


if __name__ == "__main__":
    raise SystemExit(guard(main))
