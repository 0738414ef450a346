"""The catalogue: one static page over everything that the store holds."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from sluice.config import Site
from sluice.files import read_json
from sluice.release.pages import write_page

_ORDER = {"public": 0, "registered": 1, "controlled": 2}
_DOCUMENTS = (
    ("README.md", "Read me first"),
    ("report.html", "Risk and utility report"),
    ("TERMS.md", "Terms of use"),
    ("dictionary.csv", "Dictionary"),
)


def write_catalogue(store: Path, site: Site) -> None:
    """Write ``index.html`` of the store from each release's ``release.json``.

    Versions are listed newest first (by day of publication, then name), tiers from open to closed.
    Only files that are there are linked.

    Raises
    ------
    SluiceError
        If a ``release.json`` is damaged.
    """
    releases = [_entry(store, path) for path in _records(store)]
    releases.sort(key=_place)
    cohorts = [
        {"name": cohort, "releases": list(group)}
        for cohort, group in groupby(releases, key=lambda r: r["cohort"])
    ]
    write_page(
        store / "index.html",
        "catalogue.html",
        demo=site.demo or any(release["demo"] for release in releases),
        site=site,
        cohorts=cohorts,
        releases=releases,
        machine_readable=(store / "releases.json").is_file(),
    )
    (store / "index.html").chmod(0o644)


def _records(store: Path) -> list[Path]:
    """Return every ``release.json``, leaving out what a publication is still staging."""
    found = sorted(store.glob("*/*/*/release.json"))
    return [p for p in found if not any(s.startswith(".") for s in p.relative_to(store).parts)]


def _place(release: dict[str, Any]) -> tuple[Any, ...]:
    """Sort key: cohort, newest publication first, then version downwards, then the tier."""
    newest = tuple(-ord(letter) for letter in f"{release['published']} {release['version']}")
    return (release["cohort"], newest, _ORDER.get(release["tier"], len(_ORDER)))


def _entry(store: Path, path: Path) -> dict[str, Any]:
    record: dict[str, Any] = read_json(path)
    folder = path.parent.relative_to(store).as_posix()
    bundle = path.parent / "bundle"
    links = [(f"{folder}/release.json", "Release record")]
    links += [
        (f"{folder}/bundle/{file}", label)
        for file, label in _DOCUMENTS
        if (bundle / file).is_file()
    ]
    if bundle.is_dir():
        links.append((f"{folder}/bundle/", "Browse the bundle"))
    return record | {
        "id": folder.replace("/", "-"),
        "address": folder,
        "has_bundle": bundle.is_dir(),
        "links": links,
    }
