"""`sluice demo`: the whole way once, on an invented cohort."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import click
from ruamel.yaml import YAML

from sluice.cli.options import with_config
from sluice.cli.run import build
from sluice.code import code_digest, lock_digest, script_path
from sluice.config import Config, load_site
from sluice.config.site import Site
from sluice.demo import make_cohort
from sluice.errors import SluiceError
from sluice.files import read_json, sha256_json, write_json
from sluice.gates.review import closest_to_limit
from sluice.governance.approvals import approve, check
from sluice.identity import Vault
from sluice.release.publish import publish

ADDRESS = "demo/2026q1"
ROLES = ("data-manager", "privacy-officer")


@click.command()
@with_config
@click.option("--cores", type=int, help="Cores on this machine [default: all]")
@click.option("--profile", default="default", help="A folder in profiles/, or a path.")
def demo(config_file: Path, cores: int | None, profile: str) -> None:
    """Make the demo cohort, build it, sign it with two demo keys and publish it."""
    site = load_site(config_file)
    if not site.demo:
        raise SluiceError(
            "This configuration is not the demo's",
            where="config.yaml, key `demo`",
            mend="keep the shipped config.yaml for the demo, or set demo: true in a copy",
        )
    prepare(site, Config.load(config_file, ADDRESS))
    config = Config.load(config_file, ADDRESS)
    click.echo("Building the candidates (about two minutes on two cores):", err=True)
    build(config, profile, cores)
    for tier in config.tiers:
        if check(config, tier):
            for role in ROLES:
                approve(config, tier, role, _key(site, role))
        outcome = publish(config, tier)
        click.echo(f"{ADDRESS} {tier}: {outcome}; {summary(config, tier)}")
    click.echo(f"catalogue: {site.store / 'index.html'}")


def prepare(site: Site, config: Config) -> None:
    """Make raw data, vault and demo keys; start afresh when the code that made them has changed."""
    home = site.vault.parent
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = home / "DEMO.json"
    built_by = {"demo": _fingerprint(config)}
    if marker.exists() and read_json(marker) != built_by:
        click.echo("The demo was built by other code: starting it afresh.", err=True)
        for place in (site.work, site.vault, site.store, site.raw):
            shutil.rmtree(place, ignore_errors=True)
    elif not marker.exists() and any(p.exists() for p in (site.vault, site.store)):
        raise SluiceError(
            "The demo's folders exist but were not made by it",
            where=str(home),
            mend="choose other folders in config.yaml",
        )
    write_json(marker, built_by)
    raw = config.layout.raw_cohort
    if not (raw / "DEMO-COHORT").exists():
        click.echo("Making the demo cohort ...", err=True)
        canaries = make_cohort(raw)
        vault = Vault(config.layout.vault_cohort, config.layout.cohort)
        path = vault.folder / "canaries.json"
        path.write_text(json.dumps(canaries))
        path.chmod(0o600)
    _make_approvers(site)


def _fingerprint(config: Config) -> str:
    """Return a digest of everything that shapes the demo: code, lock, configuration."""
    scripts = sorted(path.stem for path in script_path("intake").parent.glob("*.py"))
    code = [code_digest(script, *config.modalities) for script in scripts]
    settings = [m.model_dump(mode="json") for m in (config.cohort, config.policy, config.release)]
    return sha256_json([lock_digest(), code, settings])


def _key(site: Site, role: str) -> Path:
    return site.approvers.parent / "demo-keys" / f"demo-{role}"


def _make_approvers(site: Site) -> None:
    """Make one key a role and the approvers file that names them."""
    people = []
    for role in ROLES:
        key = _key(site, role)
        key.parent.mkdir(mode=0o700, exist_ok=True)
        if not key.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)],
                check=True,
            )
        public = key.with_suffix(".pub").read_text().strip()
        people.append({"name": key.name, "roles": [role], "key": public})
    tiers = ("controlled", "registered", "public")
    content = {"required": {tier: list(ROLES) for tier in tiers}, "approvers": people}
    with site.approvers.open("w") as out:
        YAML(typ="safe").dump(content, out)


def summary(config: Config, tier: str) -> str:
    """Return one line: products with verdicts, the largest bound against its limit, utility."""
    gates = read_json(config.layout.gates(tier))
    products = ", ".join(f"{n} {p['status']}" for n, p in sorted(gates["products"].items()))
    worst = closest_to_limit([g for g in gates["gates"] if g["verdict"] == "pass"])
    bound = (
        f"{worst['gate']} {worst['bound']:.3f} of {worst['limit']:g}" if worst else "none judged"
    )
    utility = [g["measured"] for g in gates["gates"] if g["kind"] == "utility" and g["limit"]]
    measured = [value for value in utility if value is not None]
    useful = f"{sum(measured) / len(measured):.2f}" if measured else "predicted only"
    return f"{products}; largest bound: {bound}; mean utility: {useful}"
