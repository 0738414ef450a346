"""Bundle: assemble the candidate, then scan what was written; refuses when a gate failed.

Writes <tier>/candidate/, <tier>/candidate.json and <tier>/seal.json.
"""

from sluice.console import guard
from sluice.jobs import job_from_arguments
from sluice.release.assemble import build_and_seal


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("bundle", __doc__ or "", "tier")
    build_and_seal(job)


if __name__ == "__main__":
    raise SystemExit(guard(main))
