"""The reference of every key, made from the models: ``python -m sluice.config.reference``.

Writes ``docs/config.md`` and, for editors that check YAML while one types,
``resources/schemas/<file>.json``. A test fails when either differs from the models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sluice.config.approvers import Approvers
from sluice.config.cohort import Cohort
from sluice.config.pacs import Pacs
from sluice.config.policy import Policy
from sluice.config.release import Release
from sluice.config.site import Site
from sluice.config.sweep import Sweep
from sluice.config.waivers import Waiver
from sluice.console import guard
from sluice.errors import SluiceError
from sluice.files import write_text
from sluice.resources import shipped

Schema = dict[str, Any]

FILES: dict[str, tuple[type[BaseModel], str]] = {
    "config": (Site, "config.yaml"),
    "cohort": (Cohort, "cohorts/<cohort>.yaml"),
    "policy": (Policy, "policies/<policy>.yaml"),
    "release": (Release, "releases/<cohort>/<version>.yaml"),
    "approvers": (Approvers, "approvers.yaml"),
    "waiver": (Waiver, "waivers/<cohort>/<name>.yaml"),
    "pacs": (Pacs, "pacs.yaml"),
    "sweep": (Sweep, "sweep.yaml (settings of `sluice sweep`)"),
}

#: What keys mean whose model says nothing of it. A description in the model has precedence.
MEANINGS: dict[str, str] = {
    "owner": "Role that answers for it",
    "reason": "Why it is so, for the review page",
    "Alias.alias_field": "Column that holds the other identifier",
    "Alias.file": "Table of the links, below the cohort's raw folder",
    "Alias.participant_field": "Column that holds the participant's identifier",
    "Approvers.approvers": "Everybody who may sign",
    "Budget.lifetime_delta": "δ that one participant may bear over all versions",
    "Budget.lifetime_epsilon": "ε that one participant may bear over all versions",
    "Budget.min_people_for_means": "With fewer expected people, means are refused; counts remain",
    "Budget.release_delta": "δ that one release may spend",
    "Budget.release_epsilon": "ε that one release may spend",
    "Budget.reserve_share": "Share of the lifetime kept for reissues after a withdrawal",
    "Calendar.date_format": "How dates are written, in strptime's codes",
    "Calendar.earliest": "Earlier days are unreadable cells",
    "Calendar.latest": "Later days are unreadable cells",
    "Cohort.aliases": "Tables that link other identifiers to the participant's",
    "Cohort.calendar": "How dates are written and which are possible",
    "Cohort.cohort": "Name, as in the file's name",
    "Cohort.consent": "Where consent stands and what its codes mean",
    "Cohort.description": "One sentence for the bundle's README",
    "Cohort.modalities": "clinical, bulk, singlecell or imaging: their raw sources",
    "Cohort.title": "Title of the cohort",
    "CohortModality.sources": "The raw files",
    "Column.maximum": "Larger numbers are unreadable cells",
    "Column.minimum": "Smaller numbers are unreadable cells",
    "Column.type": "What the cells hold",
    "Consent.code_field": "Column of the consent code",
    "Consent.codes": "What each code permits; a code without a meaning stops the run",
    "Consent.file": "Table of consents, below the cohort's raw folder",
    "Consent.participant_field": "Column that holds the participant's identifier",
    "Consent.signed_field": "Column of the day it was signed",
    "Consent.withdrawn_field": "Column of the day it was withdrawn",
    "ConsentCode.tiers": "Tiers that the code permits",
    "Conversion.code": "Code whose values are converted",
    "Conversion.factor": "What a value is multiplied by",
    "Conversion.from_unit": "Unit as in the raw file",
    "Conversion.to_unit": "Unit of the curated value",
    "Limit.max": "Largest upper bound that passes",
    "Limit.min": "Smallest lower bound that passes",
    "People.dominant_margin": "A larger share passes within this distance of the cohort's share",
    "People.dominant_share": "Largest share of one sensitive value in a class",
    "People.k": "Smallest class of people who share all quasi-identifiers",
    "People.l_diversity": "Fewest distinct sensitive values in a class",
    "People.max_suppression": "Largest share of people left out to keep the promises of a class",
    "People.recoding": "How coarse the quasi-identifiers become",
    "People.sensitive": "Released fields that an attacker wants to learn",
    "People.t_closeness": "Largest distance of a class's sensitive values from everybody's",
    "Policy.edition": "Edition, printed on every page",
    "Policy.extends": "Policy that this one is laid over: only differences stand in it",
    "Policy.policy": "Name, as in the file's name",
    "Product.enabled": "false: never offered, with `reason` shown",
    "Product.modality": "Modality whose adapter makes it",
    "Product.on_fail": "drop: leaves the product out; stop: the tier is not bundled",
    "Product.settings": "What the product needs to know; docs/policy.md lists the keys",
    "Product.title": "Name for recipients",
    "Recoding.mode": "search: proposed by the search; frozen: as a person wrote it in `node`",
    "Release.cohort": "The cohort, as in the folder's name",
    "Release.tiers": "Tiers to build; registered needs controlled",
    "Release.version": "The version, as in the file's name",
    "Source.conversions": "Units to bring into one",
    "Source.orientation": "matrix: what a row is",
    "Source.value_kind": "What the matrix holds: counts, TPM or logarithms",
    "TierPolicy.budget": "public only: what may be spent",
    "TierPolicy.limits": "Limit by name of the scenario or utility measure",
    "TierPolicy.modalities": "What each modality may give; one without an entry stops the run",
    "TierPolicy.people": "Individual-level tiers only: class models",
    "TierPolicy.products": "What the tier offers",
    "TierPolicy.title": "Name for recipients",
}

_HEAD = """# Every key of the configuration

Made from the models by `python -m sluice.config.reference`; do not edit. `resources/schemas/` holds
the same as JSON schemas, for editors. Every key that is not listed is refused, and so are duplicate
keys, anchors, tags, unquoted yes, no, on and off, and numbers with a leading zero. What to write
there is told in [data-manager.md](data-manager.md) and [policy.md](policy.md)."""


def schemas() -> dict[str, Schema]:
    """Return the JSON schema (2020-12) of each configuration file, every key described.

    Raises
    ------
    KeyError
        If neither a model nor :data:`MEANINGS` says what a key means.
    """
    return {name: _described(model) for name, (model, _) in FILES.items()}


def _described(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(by_alias=True)
    for name, section in _sections(model.__name__, schema):
        for key, value in section.get("properties", {}).items():
            value.pop("title", None)
            if "description" not in value:
                value["description"] = MEANINGS.get(f"{name}.{key}") or MEANINGS[key]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _sections(root: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield root, schema
    yield from schema.get("$defs", {}).items()


def page(found: dict[str, Schema]) -> str:
    """Return the reference as Markdown: one chapter a file, one table a section."""
    lines = [_HEAD]
    for name, (_, file) in FILES.items():
        schema = found[name]
        lines += ["", f"## {file}", "", _one_line(schema.get("description", ""))]
        for place, section in _places(schema):
            shown = f"`{place}`" if place else "Top level"
            lines += ["", f"### {shown}", ""]
            if place and section.get("description"):
                lines += [_one_line(section["description"]), ""]
            lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
            wanted = section.get("required", [])
            for key, value in section["properties"].items():
                default = "**required**" if key in wanted else _default(value)
                meaning = _cell(_one_line(value["description"]))
                lines.append(f"| `{key}` | {_cell(_type(value))} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _places(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield each section once with its address in the file, parents first."""
    todo = [("", schema)]
    done: set[str] = set()
    while todo:
        place, section = todo.pop(0)
        yield place, section
        for key, value in section["properties"].items():
            for name, ending in _references(value):
                if name not in done:
                    done.add(name)
                    todo.append((f"{place}.{key}{ending}".lstrip("."), schema["$defs"][name]))


def _references(value: Schema) -> Iterator[tuple[str, str]]:
    """Yield the section that a key holds, and how its address goes on: one, a list, by name."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[1], ""
    for option in value.get("anyOf", []):
        yield from _references(option)
    for inside, ending in ((value.get("items"), "[]"), (_named(value), ".<name>")):
        if isinstance(inside, dict):
            for name, rest in _references(inside):
                yield name, ending + rest


def _named(value: Schema) -> Any:
    """Return what a mapping holds by name; names may have to fit a pattern."""
    patterns = value.get("patternProperties")
    return next(iter(patterns.values())) if patterns else value.get("additionalProperties")


def _type(value: Schema) -> str:
    """Say in words what a key holds."""
    if "$ref" in value:
        return "section"
    if "enum" in value:
        return " or ".join(f"`{option}`" for option in value["enum"])
    if "anyOf" in value:
        kinds = [_type(option) for option in value["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    kind = str(value.get("type"))
    if kind == "array":
        return f"list of {_type(value['items'])}"
    if kind == "object":
        inside = _named(value)
        return f"by name: {_type(inside)}" if isinstance(inside, dict) else "keys and values"
    words = {"date": "date (YYYY-MM-DD)", "path": "path", "boolean": "true or false"}
    name = words.get(value.get("format", kind), kind)
    return name + _range(value)


def _range(value: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value]
    return f" ({', '.join(limits)})" if limits else ""


def _default(value: Schema) -> str:
    default = value.get("default")
    if "$ref" in value:
        return "see there"
    return "" if default in (None, "", [], {}) else f"`{json.dumps(default, ensure_ascii=False)}`"


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(root: Path) -> list[Path]:
    """Write page and schemas below a checkout; return what was written.

    Raises
    ------
    SluiceError
        If ``root`` is no checkout.
    """
    if not (root / "docs").is_dir():
        raise SluiceError("The reference is made in a checkout", mend="clone the repository")
    found = schemas()
    written = {root / "docs" / "config.md": page(found)}
    for name, schema in found.items():
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        written[root / "resources" / "schemas" / f"{name}.json"] = text
    for path, text in written.items():
        write_text(path, text)
        path.chmod(0o644)
    return sorted(written)


def main() -> None:
    """Write the reference of this checkout."""
    for path in write(shipped()):
        print(f"Wrote {path.relative_to(shipped())}")


if __name__ == "__main__":
    raise SystemExit(guard(main))
