"""`sluice approve`, `waive`, `publish`, `verify`: decisions, and a check for anybody."""

from __future__ import annotations

from pathlib import Path

import click

from sluice.cli.options import with_config, with_release
from sluice.config import Config
from sluice.errors import SluiceError
from sluice.governance.approvals import approve as sign
from sluice.governance.waivers import sign_waiver
from sluice.release.publish import publish as put
from sluice.release.verify import verify as check


def _tiers(config: Config, tier: str | None) -> list[str]:
    if tier is None:
        return config.tiers
    if tier not in config.tiers:
        raise SluiceError("The release has no such tier", mend=f"it has: {', '.join(config.tiers)}")
    return [tier]


@click.command()
@with_release
@click.option("--role", required=True, help="The role you sign for, as in approvers.yaml.")
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Your private SSH key.")
@click.option("--tier", help="One tier [default: all of the release]")
@with_config
def approve(release: str, role: str, key: Path, tier: str | None, config_file: Path) -> None:
    """Sign candidates: over the digests of bundle, gates and policy."""
    config = Config.load(config_file, release)
    for name in _tiers(config, tier):
        sign(config, name, role, key)
        click.echo(f"{release} {name}: signed as {role}")


@click.command()
@click.argument("name", metavar="COHORT/NAME")
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Your private SSH key.")
@with_config
def waive(name: str, key: Path, config_file: Path) -> None:
    """Sign a waiver: waivers/COHORT/NAME.yaml, which a release file then names."""
    click.echo(f"{name}: signed as {sign_waiver(config_file, name, key)}")


@click.command()
@with_release
@click.option("--tier", help="One tier [default: all of the release]")
@with_config
def publish(release: str, tier: str | None, config_file: Path) -> None:
    """Move approved candidates into the store and rebuild the catalogue."""
    config = Config.load(config_file, release)
    for name in _tiers(config, tier):
        click.echo(f"{release} {name}: {put(config, name)}")
    click.echo(f"catalogue: {config.site.store / 'index.html'}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
def verify(bundle: Path) -> None:
    """Check a bundle offline: every file, every digest, the signatures beside it."""
    if not bundle.is_dir():
        raise SluiceError("There is no such bundle folder", mend="name the folder with bagit.txt")
    problems = check(bundle)
    for problem in problems:
        click.echo(f"  {problem}", err=True)
    if problems:
        raise SluiceError(
            f"The bundle is not what was published: {len(problems)} problems",
            mend="fetch it again and tell the facility",
        )
    click.echo("The bundle is complete and unaltered.")
