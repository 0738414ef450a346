"""Pictures as inline SVG: the same numbers give the same bytes; colours follow the page's theme."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager

from markupsafe import Markup, escape
from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Drawn in these, then replaced by the stylesheet's variables, so that dark mode and print work.
_THEME = {
    "#010101": "ink",
    "#020202": "soft",
    "#030303": "line",
    "#040404": "accent",
    "#050505": "bad",
    "#060606": "fill",
}
INK, SOFT, LINE, ACCENT, BAD, FILL = _THEME
#: Those variables in the stylesheet's light theme.
_LIGHT = {
    "ink": "#1d2b33",
    "soft": "#55646d",
    "line": "#dcdfdd",
    "accent": "#0f6b74",
    "bad": "#a3262a",
    "fill": "#5aa3a8",
}
# Left out: nothing in the page reads the metadata, and the style would reach outside the picture.
_FOREIGN = (r"\s*<metadata>.*?</metadata>", r"\s*<defs>\s*<style.*?</style>\s*</defs>")
WIDTH = 6.4  # inches; the page scales the picture to its column
_STYLE = {
    "svg.fonttype": "none",  # text stays text: selectable, read aloud, in the page's font
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": INK,
}


def theme(name: str) -> AbstractContextManager[None]:
    """Return a context in which nobody's matplotlibrc counts."""
    return style.context(["default", {**_STYLE, "svg.hashsalt": name}])


def share(figure: Figure, margins: float) -> float:
    """Return the share of the figure's height that is left beside ``margins`` inches."""
    return 1 - margins / float(figure.get_figheight())


def svg(figure: Figure, title: str) -> Markup:
    """Return a figure as an element of a page; a screen reader says ``title`` of it."""
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(
        buffer, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    for part in _FOREIGN:
        body = re.sub(part, "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # every picture numbers its groups the same
    for colour, variable in _THEME.items():
        body = body.replace(colour, f"var(--{variable})")
    body = body.replace("'DejaVu Sans'", "inherit")
    width, height = figure.get_size_inches() * 72
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="plot" role="img" viewBox="0 0 {width:g} {height:g}"><title>{escape(title)}</title>'
    )
    return Markup(opening + body[body.index(">") + 1 :])  # noqa: S704 - title escaped, rest drawn


def standalone(picture: Markup) -> str:
    """Return a picture as a file of its own: the light theme's colours, a white ground."""
    text = str(picture)
    for variable, colour in _LIGHT.items():
        text = text.replace(f"var(--{variable})", colour)
    text = text.replace("inherit", "sans-serif")
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    grounded = text.replace("</title>", f"</title>{ground}", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{grounded}\n'
