"""De-identify, plan: decide everything global of one tier, from the facts of all modalities.

Writes <tier>/plan.json (recoding, products, groups) and <tier>/plan_people.parquet (who is kept).
"""

from sluice.console import guard
from sluice.files import sha256_file
from sluice.jobs import job_from_arguments
from sluice.planning import plan


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("plan", __doc__ or "", "tier")
    plan(job)
    outputs = (job.layout.plan(job.tier), job.layout.plan_people(job.tier))
    job.write_record(outputs[0], {path.name: sha256_file(path) for path in outputs})


if __name__ == "__main__":
    raise SystemExit(guard(main))
