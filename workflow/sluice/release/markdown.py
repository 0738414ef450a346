"""Render the Markdown pages of a bundle."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from sluice.resources import resource


def render(name: str, **values: Any) -> str:
    """Fill the template ``resources/templates/bundle/<name>``.

    HTML escaping would spoil Markdown, so every value is made inert instead: one line, and no
    angle bracket that a viewer could take for a tag.
    """
    environment = Environment(
        loader=FileSystemLoader(resource("templates", "bundle")),
        autoescape=select_autoescape(),
        finalize=_inert,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name).render(**values)


def _inert(value: object) -> str:
    return " ".join(str(value).split()).replace("<", "&lt;").replace(">", "&gt;")
