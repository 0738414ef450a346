"""Ladders of values that are listed: a policy's map, an ordered list, a tree of codes, countries.

Each turns its options into paths, value → its labels from finest to coarsest, and labels by them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from sluice.resources import resource
from sluice.tables.ladders import ALL, Kind, Label, Labeller, Options, bad_options, chosen, text


class Paths(NamedTuple):
    """Level names, and value → its labels on these levels; without ``*``."""

    names: list[str]
    labels: dict[str, list[str]]


def _kind(name: str, paths: Callable[[Options], Paths]) -> Kind:
    def levels(options: Options) -> list[str]:
        return chosen(name, paths(options).names, options)

    def labeller(level: str, options: Options) -> Labeller:
        """A label of a finer level is taken as well as a value."""
        names, labels = paths(options)
        place = names.index(level)
        target: dict[str, str] = {}
        for path in labels.values():
            for label in path[: place + 1]:
                if target.setdefault(label, path[place]) != path[place]:
                    raise bad_options(name, "give one label two different coarser labels")
        return lambda value: target.get(text(value))

    return Kind(levels, labeller)


def _map_paths(options: Options) -> Paths:
    """Each value's labels as ``options["map"]`` lists them; a final ``*`` may be written or not."""
    paths = [[str(value), *map(str, labels)] for value, labels in options.get("map", {}).items()]
    if not paths or len({len(path) for path in paths}) != 1:
        raise bad_options("map", "need one list of labels a value, all of the same length")
    if {path[-1] for path in paths} == {ALL}:
        paths = [path[:-1] for path in paths]
    names = ["value", *(f"level{i}" for i in range(1, len(paths[0])))]
    return Paths(names, {path[0]: path for path in paths})


def _ordered_paths(options: Options) -> Paths:
    """Groups of neighbours in ``options["order"]``; ``options["levels"]`` are their sizes."""
    order = [text(value) for value in options.get("order", [])]
    sizes = [text(level) for level in options.get("levels", []) if level != ALL]
    widths = [int(size) if size.isdigit() else 0 for size in sizes]
    nested = all(wide > fine and wide % fine == 0 for fine, wide in pairwise(widths))
    if not order or len(order) != len(set(order)) or not widths or 0 in widths or not nested:
        raise bad_options(
            "ordered",
            "need `order`, each value once, and as levels the values in a group, "
            "each a multiple of the one before",
        )
    labels: dict[str, list[str]] = {value: [] for value in order}
    for width in widths:
        for first in range(0, len(order), width):
            group = order[first : first + width]
            for value in group:
                labels[value].append(group[0] if len(group) == 1 else f"{group[0]} to {group[-1]}")
    return Paths(sizes, labels)


def _tree_paths(options: Options) -> Paths:
    """The ancestors of each code of ``options["parent"]`` (code → its parent).

    Level ``depth2`` cuts the tree two steps below its roots: a code that is no deeper stays.
    """
    parent = {text(code): text(above) for code, above in options.get("parent", {}).items()}
    if not parent:
        raise bad_options("tree", "need `parent`: each code and the one above it")
    lines: dict[str, list[str]] = {}
    for code in {*parent, *parent.values()}:
        line = [code]
        while line[0] in parent:
            line.insert(0, parent[line[0]])
            if len(line) > len(parent) + 1:
                raise bad_options("tree", "put a code above itself")
        lines[code] = line
    depths = range(max(map(len, lines.values())), 0, -1)
    return Paths(
        [f"depth{depth}" for depth in depths],
        {code: [line[:depth][-1] for depth in depths] for code, line in lines.items()},
    )


_PLACES = ["country", "subregion", "region"]


class _Places(NamedTuple):
    """Where a country, by any of its spellings, and a subregion lie."""

    countries: Mapping[str, tuple[str, str]]
    subregions: Mapping[str, str]


@cache
def places() -> _Places:
    """Read ``resources/geography/m49.csv``."""
    countries: dict[str, tuple[str, str]] = {}
    subregions: dict[str, str] = {}
    with resource("geography", "m49.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            spellings = [row["name"], row["alpha2"], row["alpha3"], row["m49"]]
            for spelling in [*spellings, *filter(None, row["also"].split("; "))]:
                countries[spelling.casefold()] = row["subregion"], row["region"]
            subregions[row["subregion"]] = row["region"]
    return _Places(countries, subregions)


def _country_levels(options: Options) -> list[str]:
    """Only the country itself, unless the rule names levels."""
    return chosen("country", _PLACES, {"levels": options.get("levels") or _PLACES[:1]})


def _country_labeller(level: str, options: Options) -> Labeller:
    def label(value: object) -> Label:
        written = text(value)
        if level == "country":
            return written or None
        subregion, region = _lying(written)
        return subregion if level == "subregion" else region

    return label


def _lying(written: str) -> tuple[str | None, str | None]:
    """Subregion and region of a country, subregion or region; ``None`` where it is coarser."""
    subregions = places().subregions
    if written in subregions:
        return written, subregions[written]
    if written in subregions.values():
        return None, written
    code = written.zfill(3) if written.isdigit() else written
    return places().countries.get(code.casefold(), (None, None))


KINDS: dict[str, Kind] = {
    "country": Kind(_country_levels, _country_labeller),
    "map": _kind("map", _map_paths),
    "ordered": _kind("ordered", _ordered_paths),
    "tree": _kind("tree", _tree_paths),
}
