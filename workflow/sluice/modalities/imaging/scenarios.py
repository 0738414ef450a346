"""Attacks on released images: identifiers left over, linkage on headers, digests of pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from sluice.attacks.equivalence import prosecutor
from sluice.attacks.joint import joint_quasi, released_wide
from sluice.attacks.linkage import record_linkage
from sluice.dicom.pixels import SAMPLES
from sluice.dicom.reader import read
from sluice.files.tables import read_table
from sluice.jobs import Job
from sluice.modalities.imaging.headers import PATHS, header, wide_table
from sluice.modalities.imaging.instances import read_parts
from sluice.modalities.imaging.people import header_profile
from sluice.modalities.imaging.propose import PRODUCT
from sluice.modalities.imaging.released import released_files
from sluice.modalities.imaging.residual import gather
from sluice.modalities.imaging.selection import exclusions
from sluice.modalities.imaging.settings import ImagingSettings, individual_settings
from sluice.modalities.imaging.sources import raw_paths
from sluice.modalities.shared.consent import people_of, truth_of
from sluice.modalities.shared.plan import MISSING, product_is_on
from sluice.scores import Score

_SEED = 1
# Objects that the positive control and the comparison of pixels read: both settle with few.
_CONTROLS, _COMPARED = 30, 60


def scenarios(job: Job) -> list[Score]:
    """Return the tier's scenarios on images; none where the product is off or nothing was written.

    A scenario that the product requires and that has no score (text in pixels cannot be read here)
    fails its gate.
    """
    files = released_files(job, job.tier)
    if not product_is_on(job, PRODUCT) or files.empty:
        return []
    truth = truth_of(job, "imaging")
    subjects = {person: subject for subject, person in truth.items()}
    files["subject"] = files["person"].map(subjects)
    curated = read_parts(job, partial(job.layout.curate, "imaging"), "instances")
    curated = curated[curated["subject"].isin(set(truth))]
    paths = raw_paths(job)
    curated["path"] = curated["file_id"].map(paths)
    return [
        _residual(job, files, curated),
        _header_linkage(job, files, curated, truth),
        _header_classes(job, files),
        _pixel_digest(files, curated),
    ]


def _residual(job: Job, files: pd.DataFrame, curated: pd.DataFrame) -> Score:
    needles = gather(_known(job, curated))
    hits = sum(needles.hits(path, subject) for path, subject in _pairs(files))
    controls = _spread(curated, _CONTROLS)
    found = [needles.hits(path, subject) > 0 for path, subject in _pairs(controls)]
    return Score(
        name="residual",
        product=PRODUCT,
        attacker_knows="every identifier of the vault, and searches bytes and decoded headers",
        estimate=float(hits),
        lower=float(hits),
        upper=float(hits),
        n=int(files["person"].nunique()),
        limit_key="residual",
        evidence={"raw": sum(found) / max(len(found), 1), "works": bool(found) and all(found)},
        note="An exact count over all objects; the control is the same search in raw objects.",
        detail={"files": len(files), "needles": len(needles), "not_searchable": needles.too_short},
    )


def _known(job: Job, curated: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return what may not be found: the vault's identifiers and, of lower tiers, the new ones."""
    tables = []
    for modality in job.config.modalities:
        job.note_input(job.layout.people(modality))
        tables.append(read_table(job.layout.people(modality)))
    if job.settings.source == "controlled":
        below = {p: s for s, p in people_of(job, "controlled", "imaging").items()}
        for part in job.config.parts("imaging"):
            table = read_table(job.layout.crosswalk("controlled", "imaging", part))
            table = table.assign(subject=table["person"].map(below), value=table["new"])
            tables.append(table[["subject", "kind", "value"]])
    everyone = pd.concat(tables, ignore_index=True).drop_duplicates()
    known = list(everyone.itertuples(index=False, name=None))
    return known + [(s, "subject", s) for s in sorted(set(curated["subject"]))]


def _header_linkage(
    job: Job, files: pd.DataFrame, curated: pd.DataFrame, truth: dict[str, str]
) -> Score:
    """Link people by what their examinations were to what the released headers still tell."""
    rules = [_settings(job, tier) for tier in _chain(job)]
    headers = wide_table(read_parts(job, partial(job.layout.curate, "imaging"), "tags"))
    headers = headers.reindex(curated["instance_id"])
    for tier in rules:
        chosen = exclusions(headers, tier, job.settings.waived or ()).isna().to_numpy()
        curated, headers = curated[chosen], headers[chosen]
    raw = header_profile(curated, headers)
    raw["first_day"] = curated.groupby("subject")["date"].min().dt.normalize()
    released = _released_profile(files)
    told = [str(name) for name in released if released[name].notna().any()]

    def recode(known: pd.DataFrame) -> pd.DataFrame:
        out = known[told].copy()
        for tier in rules if "age" in told else ():
            out["age"] = out["age"].clip(upper=tier.age_top) // tier.age_band * tier.age_band
        return out

    raw = raw.dropna(axis=1, how="all")
    score = record_linkage(raw, released, truth, recode, told, _SEED, "header_linkage", PRODUCT)
    return replace(
        score,
        name="header_linkage",
        attacker_knows="each person's sex, age, size, machines and examinations, with errors",
        note="Compares what the released headers still tell of it; dates are attacked where the "
        "visits are. The control also knows the first day.",
        detail=score.detail | {"told": told},
    )


def _header_classes(job: Job, files: pd.DataFrame) -> Score:
    """Count classes of people who share the table's quasi-identifiers and what headers tell."""
    quasi = joint_quasi(job)
    shown = _released_profile(files).dropna(axis=1, how="all")
    told = [str(name) for name in shown]
    table = released_wide(job, quasi).join(shown.add_prefix("image ")).fillna(MISSING).astype(str)
    score = prosecutor(table, list(table.columns), "header_classes", PRODUCT)
    return replace(
        score,
        name="header_classes",
        attacker_knows="the quasi-identifiers of the table, and all that the person's headers tell",
        detail=score.detail | {"told": told},
    )


def _chain(job: Job) -> list[str]:
    return ["controlled", job.tier] if job.settings.source == "controlled" else [job.tier]


def _settings(job: Job, tier: str) -> ImagingSettings:
    policy = job.config.policy.tiers[tier].modalities["imaging"]
    return individual_settings(policy, tier)


def _released_profile(files: pd.DataFrame) -> pd.DataFrame:
    """Return one row a person, read back from the released headers."""
    tags = {path.name: header(read(path)) for path in files["path"]}
    instances = pd.DataFrame(
        {"subject": files["person"], "study": [path.parts[-3] for path in files["path"]]}
    )
    headers = pd.DataFrame.from_dict(tags, orient="index").reindex(columns=[*PATHS])
    return header_profile(instances, headers.astype(object).where(headers.notna(), None))


def _pixel_digest(files: pd.DataFrame, curated: pd.DataFrame) -> Score:
    """Return the share of released pixel data that a holder of the originals finds again."""
    compared = _spread(files, _COMPARED)
    owners = set(compared["subject"])
    originals = {_pixels(path) for path in curated.loc[curated["subject"].isin(owners), "path"]}
    digests = [digest for path in compared["path"] if (digest := _pixels(path))]
    share = sum(digest in originals for digest in digests) / max(len(digests), 1)
    return Score(
        name="pixel_digest",
        product=PRODUCT,
        attacker_knows="the original pixels, and compares digests",
        estimate=share,
        lower=share,
        upper=share,
        n=len(owners),
        limit_key="pixel_digest",
        note="Pixels are bit-exact by design: nothing is claimed against a holder of the original.",
        detail={"objects": len(digests)},
    )


def _pixels(path: Path) -> str | None:
    """Return a digest of an object's samples, ``None`` where it has none."""
    dataset = read(path)
    for keyword in SAMPLES:
        if samples := dataset.get(keyword):
            return hashlib.sha256(samples).hexdigest()
    return None


def _spread(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many rows, evenly over the table."""
    return table.iloc[:: -(-len(table) // most) or 1]


def _pairs(table: pd.DataFrame) -> Iterator[tuple[Path, str]]:
    return zip(table["path"], table["subject"], strict=True)
