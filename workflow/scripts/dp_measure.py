"""Public answers: differentially private, spent and sealed in the ledger in one transaction.

Runs after the individual tiers' gates passed. Writes public/data/products/all/<product>.parquet;
a rerun replays the sealed answers and spends nothing.
"""

from sluice.console import guard
from sluice.jobs import job_from_arguments
from sluice.public import measure_products


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("dp_measure", __doc__ or "")
    job.tier = "public"
    with job.writing(job.layout.data("public", "products", "all")) as out:
        measure_products(job, out)


if __name__ == "__main__":
    raise SystemExit(guard(main))
