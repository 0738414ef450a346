"""Score: attack one modality of a candidate tier (or all of them jointly) and measure its utility.

Writes <tier>/score/<modality|joint>/<scenario>.<product>.json and <tier>/utility/<modality>/.
"""

from sluice.attacks.joint import joint_scenarios
from sluice.console import guard
from sluice.files import write_json
from sluice.jobs import job_from_arguments
from sluice.modalities import load


def main() -> None:
    """Run the stage."""
    job = job_from_arguments("score", __doc__ or "", "tier", "modality")
    joint = job.modality == "joint"
    scenarios = joint_scenarios(job) if joint else load(job.modality, "scenarios")(job)
    utility = [] if joint else load(job.modality, "utility")(job)
    for folder, scores in (
        (job.layout.utility(job.tier, job.modality), utility),
        (job.layout.score(job.tier, job.modality), scenarios),
    ):
        with job.writing(folder) as out:
            for score in scores:
                write_json(out / f"{score.name}.{score.product}.json", score.to_json())


if __name__ == "__main__":
    raise SystemExit(guard(main))
