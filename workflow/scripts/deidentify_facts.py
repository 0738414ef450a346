"""De-identify, facts: what an attacker may know of each participant in one modality.

Writes <tier>/facts/<modality>.parquet.
"""

from sluice.console import guard
from sluice.files import sha256_file
from sluice.files.tables import write_table
from sluice.jobs import job_from_arguments
from sluice.modalities import load


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("facts", __doc__ or "", "tier", "modality")
    path = job.layout.facts(job.tier, job.modality)
    write_table(path, load(job.modality, "facts")(job))
    job.write_record(path, {path.name: sha256_file(path)})


if __name__ == "__main__":
    raise SystemExit(guard(main))
