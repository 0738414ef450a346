"""Static pages: plain HTML from shipped templates, one inline stylesheet, nothing from outside."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sluice.files import write_text
from sluice.resources import resource

VERDICTS = {
    "pass": ("ok", "passes"),
    "released": ("ok", "released"),
    "published": ("ok", "published"),
    "waived": ("note", "for the board"),
    "dropped": ("warn", "dropped"),
    "too_few": ("warn", "too few people"),
    "no_evidence": ("warn", "no evidence"),
    "not_attacked": ("warn", "not attacked"),
    "empty": ("quiet", "nothing left"),
    "off": ("quiet", "not offered"),
    "superseded": ("quiet", "superseded"),
    "retracted": ("bad", "retracted"),
    "fail": ("bad", "fails"),
}
"""Verdict or state: the badge's style and its words (colour is never the only sign)."""


def render(template: str, **content: Any) -> str:
    """Return the page that ``resources/templates/<template>`` makes of ``content``.

    Every value is escaped; a name that the template uses and ``content`` lacks is an error.
    """
    return _environment().get_template(template).render(**content)


def write_page(path: Path, template: str, **content: Any) -> None:
    """Write :func:`render`'s page, whole or not at all."""
    write_text(path, render(template, **content))


def number(value: float | None) -> str:
    """Return a number to three significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f")  # narrow no-break space
    return f"{value:.3g}"


def rounded(count: int, step: int) -> str:
    """Return a count to the nearest multiple of ``step`` (halves up), marked as not exact."""
    if step == 1:
        return number(count)
    return f"about {number((count + step // 2) // step * step)}"


def size(bytes_: int) -> str:
    """Return a file size for people, in powers of 1000."""
    value, units = float(bytes_), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"


def spoken(name: str) -> str:
    """Return a name of the configuration as words: ``record_linkage`` → ``record linkage``."""
    return name.replace("_", " ")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resource("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, rounded=rounded, size=size, spoken=spoken)
    environment.globals["VERDICTS"] = VERDICTS
    return environment
