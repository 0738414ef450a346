"""`sluice status`, `explain`, `inventory`: what stands where, and why."""

from __future__ import annotations

from pathlib import Path

import click

from sluice.attacks.equivalence import THRESHOLD
from sluice.cli.options import with_config, with_release
from sluice.config import Config, load_cohort, load_site
from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.explaining import explain_tier
from sluice.files import read_json
from sluice.gates.judge import sentence
from sluice.governance.approvals import check
from sluice.jobs import Job
from sluice.modalities.shared.fields import suggest_role
from sluice.modalities.shared.rawfiles import source_format, source_path
from sluice.modalities.shared.rawtables import read_raw_table
from sluice.tables.explain import Change
from sluice.tables.risk import Risk


@click.command()
@with_release
@with_config
def status(release: str, config_file: Path) -> None:
    """Say how far each tier is: verdicts, mends, signatures, and how to go on."""
    config = Config.load(config_file, release)
    for tier in config.tiers:
        click.echo(f"{release} {tier}: {tier_status(config, tier)}")


def tier_status(config: Config, tier: str) -> str:
    """Return one paragraph about a tier."""
    layout, address = config.layout, f"{config.release.cohort}/{config.release.version}"
    if (layout.published(tier) / "release.json").exists():
        digest = read_json(layout.published(tier) / "release.json")["bundle_digest"]
        return f"published, bundle {digest[:12]}"
    if not layout.gates(tier).exists():
        return f"not built; run `sluice run {address}`"
    gates = read_json(layout.gates(tier))
    lines = [f"gates {gates['verdict']}"]
    judged = {name for name, p in gates["products"].items() if p["status"] != "off"} | {"tier"}
    lines += [
        f"  {sentence(gate)}"
        for gate in gates["gates"]
        if gate["verdict"] in ("fail", "dropped", "too_few") and gate["product"] in judged
    ]
    lines += [
        f"  {name} is off: {product['reason']}"
        for name, product in sorted(gates["products"].items())
        if product["status"] == "off"
    ]
    if gates["verdict"] == "fail":
        lines.append(f"  mend it, then resume with `sluice run {address}`")
    elif not layout.seal(tier).exists():
        lines.append(f"  not sealed; resume with `sluice run {address}`")
    else:
        lacking = check(config, tier)
        lines += [f"  {reason}" for reason in lacking]
        lines.append(
            f"  sealed; to sign: `sluice approve {address} --tier {tier} --role ROLE --key FILE`"
            if lacking
            else f"  signed; publish with `sluice publish {address} --tier {tier}`"
        )
    return "\n".join(lines)


@click.command()
@click.argument("field", nargs=-1)
@with_release
@with_config
@click.option("--tier", help="Explain the classes of this tier: exact numbers, for those inside.")
def explain(field: tuple[str, ...], release: str, config_file: Path, tier: str | None) -> None:
    """Say what each tier does with FIELD (curated or released name), by which rule, and why.

    With --tier and no FIELD: what each quasi-identifier costs in risk, and the smallest change
    after which the tier's classes hold.
    """
    config = Config.load(config_file, release)
    if tier is not None and not field:
        click.echo(tier_explained(config, tier))
        return
    if len(field) != 1 or tier is not None:
        raise SluiceError("Explain takes one field, or --tier", mend="see `sluice explain --help`")
    _explain_field(config, field[0])


def tier_explained(config: Config, tier: str) -> str:
    """Return in lines what a tier's classes come to and what would change them."""
    if tier not in config.tiers:
        mend = f"choose one of: {', '.join(config.tiers)}"
        raise SluiceError("The release has no such tier", mend=mend)
    found = explain_tier(Job(config, "plan", tier), THRESHOLD)
    lines = [f"before anything is done: {_risk(found.initial)}"]
    if found.now:
        lines.append(f"as planned: {_risk(found.now)}")
    whole = found.now or found.initial
    dear = [cost for cost in found.fields if cost.without != whole]
    lines.append("for somebody who does not know one of these:")
    lines += [
        f"  {cost.field}{f' ({cost.level})' if cost.level else ''}: {_risk(cost.without)}"
        for cost in dear
    ]
    if free := [cost.field for cost in found.fields if cost not in dear]:
        lines.append(f"  no other costs anything by itself: {', '.join(free)}")
    if found.changes:
        lines.append("smallest changes after which the classes hold, least loss first:")
        lines += [f"  {_change(change, level)}" for change, level in found.changes]
    elif found.now:
        lines.append("the classes hold: no change is needed")
    else:
        lines.append("no single change makes the classes hold: drop two fields, or lower k")
    return "\n".join(lines)


def _risk(risk: Risk) -> str:
    return f"highest {risk.highest:.3f}, mean {risk.mean:.3f}, alone {risk.unique:.1%} of {risk.n}"


def _change(change: Change, level: str) -> str:
    cost = f"loss {change.loss:.3f}, {change.suppressed:.1%} suppressed"
    if change.kind == "suppress":
        return f"allow {change.suppressed:.1%} to be suppressed: loss {change.loss:.3f}"
    if change.kind == "drop":
        return f"do not release {change.field}: {cost}"
    return f"{change.field} on level {level} ({change.level}): {cost}"


def _explain_field(config: Config, field: str) -> None:
    found = False
    for tier, rules in config.policy.tiers.items():
        for modality, policy in rules.modalities.items():
            for name, rule in policy.fields.items():
                if field in (name, name.partition(".")[2], rule.as_):
                    found = True
                    click.echo(
                        f"{tier} {modality}: {name} → {rule.as_ or name.partition('.')[2]}, rule "
                        f"{rule.rule}{_options(rule.levels, rule.top)}; need: {rule.need}; "
                        f"owner: {policy.owner}"
                    )
    roles = list(_roles(config, field))
    for line in roles:
        click.echo(line)
    if not found and not roles:
        raise SluiceError("No rule and no source names this field", mend="check its spelling")
    if not found:
        click.echo("no tier names it: it is dropped everywhere (default-drop)")


def _options(levels: list[int | float | str], top: int | None) -> str:
    shown = f", levels {', '.join(map(str, levels))}" if levels else ""
    return shown + (f", top-coded at {top}" if top is not None else "")


def _roles(config: Config, field: str) -> list[str]:
    lines = []
    for modality, raw in config.cohort.modalities.items():
        for source in raw.sources:
            for name, column in source.columns.items():
                curated = f"{source.table}.{column.field}" if column.field else ""
                if field in (name, curated, column.field):
                    to = f" → {curated}" if curated else ", not curated"
                    lines.append(f"raw {modality}: {source.file} `{name}`{to}, role {column.role}")
    return lines


@click.command()
@click.argument("cohort")
@with_config
def inventory(cohort: str, config_file: Path) -> None:
    """List the columns of a cohort's tables that have no role yet, with a suggestion to paste."""
    site = load_site(config_file)
    described = load_cohort(config_file.parent, cohort)
    open_fields = 0
    for modality, raw in described.modalities.items():
        for source in raw.sources:
            if source.table in ("matrix", "cells", "instances"):
                continue
            lines = _suggestions(site.raw / cohort, source)
            open_fields += len(lines)
            if lines:
                click.echo(f"# {modality}: {source.file}, under `columns:`")
                click.echo("\n".join(lines))
    click.echo(f"# {open_fields} columns without a role", err=True)


def _suggestions(root: Path, source: Source) -> list[str]:
    table = read_raw_table(source_path(root, source.file), source_format(source), source.file)
    return [
        f"  {name}: {{role: {suggest_role(str(name), table[name])}}}"
        for name in table.columns
        if name not in source.columns
    ]
