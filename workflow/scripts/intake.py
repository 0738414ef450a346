"""Intake: list the raw files of one modality, inventory every field, move identifiers to the vault.

Writes intake/<modality>/ (inventory, lists) and, in the vault, manifest and people.
With `--modality consent`: intake/consent/, who permits what at the release's cut date.
"""

from sluice.console import guard
from sluice.jobs import job_from_arguments
from sluice.modalities import load
from sluice.modalities.shared.consent import write_consent


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("intake", __doc__ or "", "modality")
    if job.modality == "consent":
        job.stage = "consent"
        with job.writing(job.layout.consent) as out:
            write_consent(job, out)
        return
    inventory = load(job.modality, "inventory")
    with job.writing(job.layout.intake(job.modality)) as out:
        inventory(job, out)


if __name__ == "__main__":
    raise SystemExit(guard(main))
