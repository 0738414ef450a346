"""README.md: what a recipient needs to open, understand and verify a bundle without us."""

from __future__ import annotations

from pathlib import Path

from sluice.config import Config
from sluice.release.markdown import render
from sluice.release.policy import tier_policy


def write_readme(
    config: Config, tier: str, bundle: Path, products: dict[str, dict[str, str]]
) -> str:
    """Return the text of README.md.

    Parameters
    ----------
    bundle
        Folder that already holds the released ``data/``.
    products
        As in ``transformations.json``: title, modality and status by name.
    """
    settings = config.settings("bundle", tier)
    rules = tier_policy(config, tier)
    release = config.release
    files = sorted(p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file())
    modalities = {p["modality"] for p in products.values() if p["status"] == "released"}
    return render(
        "README.md.j2",
        release=f"{settings.cohort}/{settings.version}/{tier}",
        title=release.title,
        description=settings.description,
        published=release.published.isoformat(),
        supersedes=release.supersedes,
        changes=release.changes,
        tier=tier,
        access=rules.access,
        statements=rules.statements,
        policy=settings.policy,
        edition=settings.edition,
        people=rules.people,
        budget=rules.budget,
        reasons={m: p.reason for m, p in sorted(rules.modalities.items()) if m in modalities},
        released=[p for _, p in sorted(products.items()) if p["status"] == "released"],
        carried=[
            p
            for name, p in sorted(products.items())
            if name in release.carry_forward and p["status"] == "released"
        ],
        withheld=[p for _, p in sorted(products.items()) if p["status"] != "released"],
        tables={_variable(f): f for f in files if f.endswith(".parquet")},
        matrices={_variable(f): f for f in files if f.endswith(".h5ad")},
        images=any(f.endswith(".dcm") for f in files),
        facility=config.site.facility,
        contact=config.site.contact,
        demo=config.site.demo,
    )


def _variable(file: str) -> str:
    """Return a name for a file's content that Python and R accept, e.g. ``clinical_visits``."""
    return "_".join(file.split("/")[1:]).rsplit(".", 1)[0].replace("-", "_").replace(".", "_")
