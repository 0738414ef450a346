"""`sluice table propose`: the lines of a policy that freeze the recoding which a search finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sluice.cli.options import with_config, with_release
from sluice.config import Config
from sluice.config.policy import People, Recoding
from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.questions import question, tier_facts
from sluice.recoding import tier_classes


@click.command()
@with_release
@click.option("--tier", required=True, help="A tier of individual records.")
@with_config
def propose(release: str, tier: str, config_file: Path) -> None:
    """Print the lines that freeze a tier's recoding, for a person to read, judge and paste.

    The search runs on the facts of the last `sluice run`. Nothing is changed: a node chosen on the
    data tells something of them, so a person decides once, at the first release, and later only
    makes it coarser.
    """
    config = Config.load(config_file, release)
    if tier not in config.tiers:
        raise SluiceError("The release has no such tier", mend=f"it has: {', '.join(config.tiers)}")
    job = Job(config, "plan", tier)
    policy = job.settings.people
    if policy is None:
        raise SluiceError(
            "A tier without individual records has no recoding", where=f"tier {tier}",
            mend="propose one for controlled or registered",
        )  # fmt: skip
    _built(job, release)
    free = Recoding(mode="search", weights=policy.recoding.weights)
    asked = question(job, tier_facts(job), policy.model_copy(update={"recoding": free}))
    people, found = tier_classes(job, asked, anew=True)
    suppressed = int((~people["kept"]).sum())
    click.echo("\n".join([*_lines(tier, policy, found), *_remarks(policy, found)]))
    click.echo(
        f"# loss {found['loss']:.5f} ({_proof(found['gap'])}); {suppressed} of {len(people)} "
        f"people suppressed, {policy.max_suppression:.0%} permitted"
    )
    click.echo(
        "A person must decide: paste these lines into the policy only if the levels serve the "
        f"recipients, and run `sluice run {release}` again. Then only ever make them coarser.",
        err=True,
    )


def _built(job: Job, release: str) -> None:
    for modality in job.settings.modalities or ():
        if not job.layout.facts(job.tier, modality).exists():
            raise SluiceError(
                "The facts that a proposal is made from are not there",
                where=f"tier {job.tier}, {modality}",
                mend=f"run `sluice run {release}` first; it may stop at a later stage",
            )


def _lines(tier: str, policy: People, found: Mapping[str, Any]) -> list[str]:
    """The lines to paste, each level with its name and how many there are."""
    lines = ["tiers:", f"  {tier}:", "    people:", "      recoding:", "        mode: frozen",
             "        node:"]  # fmt: skip
    for name, level in found["node"].items():
        if name in policy.quasi:
            names = found["levels"][name]
            lines.append(f"          {name}: {level}  # {names[level]}, of {', '.join(names)}")
    return lines


def _remarks(policy: People, found: Mapping[str, Any]) -> list[str]:
    """What the lines cannot hold."""
    return [
        f"# {name} is no field of `people.quasi`, so it cannot be frozen at level {level}, where "
        "the search has it; name it there first"
        for name, level in found["node"].items()
        if name not in policy.quasi and level > 0
    ]


def _proof(gap: float) -> str:
    return "optimal" if gap == 0 else f"not proven optimal: at most {gap:.5f} from it"
