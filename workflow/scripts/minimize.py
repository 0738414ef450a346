"""Minimize: keep only the fields that the policy names, of people who consented to the tier.

Writes <tier>/minimize/<modality>/<part>/.
"""

from sluice.console import guard
from sluice.jobs import job_from_arguments
from sluice.modalities import load


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("minimize", __doc__ or "", "tier", "modality", "part")
    minimize = load(job.modality, "minimize")
    with job.writing(job.layout.minimize(job.tier, job.modality, job.part)) as out:
        minimize(job, out)


if __name__ == "__main__":
    raise SystemExit(guard(main))
