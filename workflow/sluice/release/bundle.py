"""Assemble a tier's candidate: the released products and everything that explains them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import sluice
from sluice.config import Config, Layout
from sluice.config.policy import Product
from sluice.errors import SluiceError
from sluice.files import read_json, replacing_folder, write_json, write_text
from sluice.gates.judge import sentence
from sluice.release.bag import write_bag
from sluice.release.crate import WORKFLOW, crate
from sluice.release.dictionary import write_dictionary
from sluice.release.policy import tier_policy
from sluice.release.reader_notes import write_readme
from sluice.release.report import write_report
from sluice.release.terms import write_terms
from sluice.release.transformations import released_view
from sluice.release.verify import MANIFEST, bundle_digest, read_manifest
from sluice.resources import shipped

_SAFE_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def build(
    config: Config,
    tier: str,
    digests: dict[str, str],
    records: list[dict[str, Any]],
    rows: list[dict[str, Any]],
) -> dict[str, Any]:
    """Build the candidate folder and ``candidate.json``; return the latter's content.

    Parameters
    ----------
    digests
        ``code``, ``policy`` and ``lock`` of this rule.
    records
        Internal records of every stage that made the tier.
    rows
        Dictionary rows of every adapter's ``describe``.

    Raises
    ------
    SluiceError
        If a gate failed (with its mend), nothing passed, a data file is not what its index says,
        or dictionary and columns differ.
    """
    layout = config.layout
    gates = _passed_gates(config, tier)
    products = _products(config, tier, gates)
    released, withheld = _choose(config, tier, products)
    with replacing_folder(layout.candidate(tier)) as out:
        for name, source in released.items():
            _link(source, out / name)
        _write_notes(config, tier, out, digests, records, rows, withheld, products)
        write_bag(out, _bag_info(config, tier))
        _compare_with_indexes(config, tier, released, out)
        layout.seal(tier).unlink(missing_ok=True)
        layout.candidate_digest(tier).unlink(missing_ok=True)
    folder = layout.candidate(tier)
    files = [p for p in folder.rglob("*") if p.is_file()]
    candidate = {
        "bundle_digest": bundle_digest(folder),
        "files": len(files),
        "bytes": sum(p.stat().st_size for p in files),
        "products": sorted(n for n, p in products.items() if p["status"] == "released"),
    }
    write_json(layout.candidate_digest(tier), candidate)
    return candidate


def _passed_gates(config: Config, tier: str) -> dict[str, Any]:
    layout = config.layout
    gates: dict[str, Any] = read_json(layout.gates(tier))
    if (gates["cohort"], gates["version"], gates["tier"]) != (layout.cohort, layout.version, tier):
        raise SluiceError("gates.json is about another release", mend="run `sluice run` again")
    if gates["verdict"] == "pass":
        return gates
    # A gate with `too_few` may have dropped its product only; one that failed stopped the tier.
    failed = [g for word in ("fail", "too_few") for g in gates["gates"] if g["verdict"] == word]
    if not failed:
        raise SluiceError(f"The gates of tier {tier} did not pass", mend="see `sluice status`")
    first = failed[0]
    raise SluiceError(
        sentence(first | {"mend": ""}).rstrip("."),
        where=f"tier {tier}, {len(failed)} gate(s) failed",
        mend=str(first["mend"]).rstrip(".") or "see `sluice status`",
    )


def _products(config: Config, tier: str, gates: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return modality, title, status and, unless released, the reason by product."""
    rules = tier_policy(config, tier)
    products = {}
    for name, judged in sorted(gates["products"].items()):
        product = rules.products[name]
        products[name] = {
            "modality": product.modality,
            "title": product.title,
            "status": judged["status"],
        }
        if judged["status"] != "released":
            products[name]["reason"] = _told_reason(config, product)
    if not any(p["status"] == "released" for p in products.values()):
        raise SluiceError(
            "No product of the tier passed its gates, so there is nothing to bundle",
            where=f"tier {tier}",
            mend="see `sluice status` for each product's mend, or take the tier out of the release",
        )
    return products


def _told_reason(config: Config, product: Product) -> str:
    """Return why a product is missing if the policy alone says so; measured reasons stay inside."""
    if not product.enabled:
        return product.reason
    missing = config.policy.unavailable
    return "; ".join(missing[name] for name in product.requires if name in missing)


def _data_folders(config: Config, tier: str) -> dict[str, list[Path]]:
    """Return the folders of released formats by their name below ``data/``."""
    if tier == "public":
        return {"products": [config.layout.data(tier, "products", "all")]}
    return {
        modality: [config.layout.data(tier, modality, part) for part in config.parts(modality)]
        for modality in config.modalities
    }


def _choose(
    config: Config, tier: str, products: dict[str, dict[str, str]]
) -> tuple[dict[str, Path], list[str]]:
    """Return bundle path to source of what is released, and the bundle paths that stay behind."""
    folders = _data_folders(config, tier)
    claims: dict[str, dict[str, Path]] = {}
    for name, product in products.items():
        group = "products" if tier == "public" else product["modality"]
        claims[name] = {}
        for pattern in _patterns(config, tier, name, product):
            for folder in folders.get(group, []):
                for path in sorted(folder.glob(pattern)):
                    if not path.is_dir():
                        _claim(claims[name], f"data/{group}/{path.relative_to(folder)}", path)
    kept_out = {
        path for name, p in products.items() if p["status"] != "released" for path in claims[name]
    }
    released: dict[str, Path] = {}
    for name, product in products.items():
        if product["status"] != "released":
            continue
        files = {path: source for path, source in claims[name].items() if path not in kept_out}
        if not files:
            raise SluiceError(
                "A product passed its gates but has no file",
                where=f"tier {tier}, product {name}",
                mend="run the stage apply again",
            )
        released |= files
    everything = {
        f"data/{group}/{path.relative_to(folder).as_posix()}"
        for group, places in folders.items()
        for folder in places
        for path in folder.rglob("*")
        if not path.is_dir()
    }
    return dict(sorted(released.items())), sorted(everything - set(released))


def _patterns(config: Config, tier: str, name: str, product: dict[str, str]) -> list[str]:
    if tier == "public":
        return [f"{name}.parquet"]
    plan = read_json(config.layout.plan(tier))
    files = plan["modalities"].get(product["modality"], {}).get("files", {})
    return list(files.get(name, []))


def _claim(files: dict[str, Path], name: str, source: Path) -> None:
    if source.is_symlink() or not source.is_file():
        raise SluiceError("A data folder holds something that is no file", where=name.split("/")[1])
    if not _SAFE_PATH.fullmatch(name):
        raise SluiceError(
            "A released file has an unsafe name",
            where=name.split("/")[1],
            mend="let the adapter name files with letters, digits, `.`, `_` and `-`",
        )
    if files.setdefault(name, source) != source:
        raise SluiceError("Two parts hold a file of the same name", where=name.split("/")[1])


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without hard links.
        shutil.copyfile(source, target)


def _compare_with_indexes(
    config: Config, tier: str, released: dict[str, Path], bundle: Path
) -> None:
    """Refuse a data file that is not what its stage wrote."""
    expected: dict[Path, str] = {}
    for folders in _data_folders(config, tier).values():
        for folder in folders:
            if folder.is_dir():
                for file in read_json(Layout.index(folder))["files"]:
                    expected[folder / file["path"]] = file["sha256"]
    digests, _ = read_manifest(bundle / MANIFEST)
    for name, source in released.items():
        if expected.get(source) != digests[name]:
            raise SluiceError(
                "A data file is not what its index says",
                where=f"tier {tier}, {name.split('/')[1]}",
                mend="delete the folder's index and run the stage apply again",
            )


def _write_notes(
    config: Config,
    tier: str,
    out: Path,
    digests: dict[str, str],
    records: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    withheld: list[str],
    products: dict[str, dict[str, str]],
) -> None:
    release = f"{config.layout.cohort}/{config.layout.version}/{tier}"
    described = write_dictionary(out, release, rows, withheld)
    used = [row["rule"] for row in described if row["rule"]]
    # That a public product is missing may depend on the data (POLICY.md, decision 6).
    told = {n: p for n, p in products.items() if tier != "public" or p["status"] == "released"}
    view = released_view(config, tier, digests, records, told, used)
    write_json(out / "transformations.json", view)
    write_text(out / "README.md", write_readme(config, tier, out, told))
    write_text(out / "TERMS.md", write_terms(config, tier))
    write_report(config, tier, out / "report.html")
    (out / WORKFLOW).parent.mkdir()
    shutil.copyfile(shipped() / "Snakefile", out / WORKFLOW)
    versions: dict[str, set[str]] = {}
    for record in records:
        for package, version in record["versions"].items():
            versions.setdefault(package, set()).add(version)
    write_json(out / "ro-crate-metadata.json", crate(config, tier, out, view, versions))


def _bag_info(config: Config, tier: str) -> dict[str, str]:
    layout = config.layout
    return {
        "Bag-Software-Agent": f"sluice {sluice.__version__}",
        "Bagging-Date": config.release.published.isoformat(),
        "External-Identifier": f"{layout.cohort}/{layout.version}/{tier}",
        "Source-Organization": config.site.facility,
    }
