"""The typed configuration and every path that follows from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sluice.config.approvers import Approvers
from sluice.config.cohort import Cohort
from sluice.config.layout import Layout, part_names
from sluice.config.loader import M, parse, read_yaml
from sluice.config.policy import Policy
from sluice.config.release import Release
from sluice.config.roles import refuse_open_fields
from sluice.config.settings import STAGES, Settings, Stage, settings_for
from sluice.config.site import Site
from sluice.config.waivers import Waiver, load_waiver, waiver_file, waivers_of
from sluice.errors import SluiceError

__all__ = [
    "STAGES",
    "Approvers",
    "Cohort",
    "Config",
    "Layout",
    "Policy",
    "Release",
    "Settings",
    "Site",
    "Stage",
    "Waiver",
    "load_approvers",
    "load_cohort",
    "load_policy",
    "load_release",
    "load_site",
    "load_waiver",
    "part_names",
    "waiver_file",
]


@dataclass(frozen=True)
class Config:
    """One release with everything it refers to."""

    file: Path
    site: Site
    cohort: Cohort
    policy: Policy
    release: Release
    waivers: list[Waiver]
    layout: Layout

    def settings(
        self, stage: Stage, tier: str | None = None, modality: str | None = None
    ) -> Settings:
        """Return the sections that ``stage`` may see."""
        return settings_for(
            stage, self.cohort, self.policy, self.release, self.site, self.waivers, tier, modality
        )

    def parts(self, modality: str) -> list[str]:
        """Return the names of a modality's parts."""
        return part_names(self.cohort.modalities[modality].parts)

    @property
    def modalities(self) -> list[str]:
        """The cohort's modalities, in the order of the file."""
        return list(self.cohort.modalities)

    @property
    def tiers(self) -> list[str]:
        """The release's tiers, each after the tier that it is computed from."""
        order = ["controlled", "registered", "public"]
        return [tier for tier in order if tier in self.release.tiers]

    @classmethod
    def load(cls, file: Path, address: str) -> Config:
        """Load the release ``COHORT/VERSION`` below the folder of ``config.yaml``.

        Raises
        ------
        SluiceError
            With file, key and mend, for anything missing or wrong.
        """
        cohort_name, _, version = address.partition("/")
        if not version or "/" in version or ".." in address:
            raise SluiceError("A release is named COHORT/VERSION", mend="for example demo/2026q1")
        folder = file.parent
        site = load_site(file)
        release = load_release(folder, cohort_name, version)
        cohort = load_cohort(folder, cohort_name)
        policy = load_policy(folder, release.policy)
        missing = [t for t in release.tiers if t not in policy.tiers]
        if missing:
            raise SluiceError(
                "The release names a tier that its policy does not have",
                where=f"releases/{address}.yaml, tier {missing[0]}",
                mend=f"policy {policy.policy} has: {', '.join(policy.tiers)}",
            )
        for tier in release.tiers:
            source = policy.tiers[tier].source
            if source != "curated" and source not in release.tiers:
                raise SluiceError(
                    "A tier is computed from another that the release does not build",
                    where=f"releases/{address}.yaml, tier {tier}",
                    mend=f"add {source} to `tiers`",
                )
        refuse_open_fields(cohort, policy, list(release.tiers))
        waivers = waivers_of(folder, release, load_approvers(site)) if release.waivers else []
        return cls(
            file=file,
            site=site,
            cohort=cohort,
            policy=_runnable(_with_statements(policy, waivers), site),
            release=release,
            waivers=waivers,
            layout=Layout(site.raw, site.work, site.vault, site.store, cohort_name, version),
        )


def load_site(file: Path) -> Site:
    """Load ``config.yaml``; its paths become absolute."""
    site = _placed(parse(Site, read_yaml(file), file.name), file.parent)
    if site.reference is None:
        return site
    return site.model_copy(update={"reference": _placed(site.reference, file.parent)})


def _placed(section: M, folder: Path) -> M:
    """Return a section with ``~`` and ``$VARIABLES`` of its paths expanded, and all absolute."""
    there = {
        key: Path(os.path.abspath(folder / os.path.expandvars(os.path.expanduser(path))))
        for key, path in section
        if isinstance(path, Path)
    }
    return section.model_copy(update=there)


def load_cohort(folder: Path, name: str) -> Cohort:
    """Load ``cohorts/<name>.yaml``."""
    file = folder / "cohorts" / f"{name}.yaml"
    cohort = parse(Cohort, read_yaml(file), f"cohorts/{file.name}")
    _same(cohort.cohort, name, f"cohorts/{file.name}", "cohort")
    return cohort


def load_release(folder: Path, cohort: str, version: str) -> Release:
    """Load ``releases/<cohort>/<version>.yaml``."""
    file = folder / "releases" / cohort / f"{version}.yaml"
    shown = f"releases/{cohort}/{file.name}"
    release = parse(Release, read_yaml(file), shown)
    _same(release.cohort, cohort, shown, "cohort")
    _same(release.version, version, shown, "version")
    return release


def load_policy(folder: Path, name: str) -> Policy:
    """Load ``policies/<name>.yaml``, laid over the policy that it extends."""
    file = folder / "policies" / f"{name}.yaml"
    shown = f"policies/{file.name}"
    content = read_yaml(file)
    seen = {name}
    while isinstance(base := content.get("extends"), str):
        if base in seen:
            raise SluiceError("A policy extends itself", where=shown, mend="break the circle")
        seen.add(base)
        below = read_yaml(folder / "policies" / f"{base}.yaml")
        content = _overlay(below, {k: v for k, v in content.items() if k != "extends"})
    policy = parse(Policy, content, shown)
    _same(policy.policy, name, shown, "policy")
    return policy


def load_approvers(site: Site) -> Approvers:
    """Load ``approvers.yaml``."""
    return parse(Approvers, read_yaml(site.approvers), site.approvers.name)


def _with_statements(policy: Policy, waivers: list[Waiver]) -> Policy:
    """Return the policy whose tiers say what was waived, wherever their statements are shown."""
    tiers = dict(policy.tiers)
    for waiver in waivers:
        rules = tiers[waiver.tier]
        said = {"statements": [*rules.statements, waiver.statement]}
        tiers[waiver.tier] = rules.model_copy(update=said)
    return policy.model_copy(update={"tiers": tiers})


def _runnable(policy: Policy, site: Site) -> Policy:
    """Return the policy that says which of its scenarios this facility cannot run."""
    if site.reference is not None:
        return policy
    reason = "config.yaml names no reference cohort with expression and genotypes"
    return policy.model_copy(
        update={"unavailable": {"genotype_linking": reason, **policy.unavailable}}
    )


def _overlay(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    """Lay ``above`` over ``below``: mappings merge, null removes, everything else replaces."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
            continue
        lower = merged.get(key)
        both = isinstance(lower, dict) and isinstance(value, dict)
        merged[key] = _overlay(lower, value) if both else value  # type: ignore[arg-type]
    return merged


def _same(written: str, expected: str, file: str, key: str) -> None:
    if written != expected:
        raise SluiceError(
            "A file's name and its content disagree",
            where=f"{file}, key `{key}`",
            mend=f"write {expected} there or rename the file",
        )
