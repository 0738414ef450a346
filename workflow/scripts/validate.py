"""Validate: judge a tier's products and write the review page; judging never fails the job.

Writes <tier>/gates.json, <tier>/review/ and <tier>/datadocs/.
"""

from sluice.console import guard
from sluice.files import sha256_file, write_json
from sluice.gates import judge, write_review
from sluice.jobs import job_from_arguments


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("validate", __doc__ or "", "tier")
    path = job.layout.gates(job.tier)
    write_json(path, judge(job.config, job.tier))
    write_review(job.config, job.tier)
    job.write_record(path, {path.name: sha256_file(path)})


if __name__ == "__main__":
    raise SystemExit(guard(main))
