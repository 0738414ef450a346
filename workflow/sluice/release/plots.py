"""Plots as inline SVG: the same numbers give the same bytes; colours follow the page's theme."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from markupsafe import Markup, escape
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

# Drawn in these, then replaced by the stylesheet's variables, so that dark mode and print work.
_THEME = {
    "#010101": "ink",
    "#020202": "soft",
    "#030303": "line",
    "#040404": "accent",
    "#050505": "bad",
    "#060606": "fill",
}
_INK, _SOFT, _LINE, _ACCENT, _BAD, _FILL = _THEME
# Left out: nothing in the page reads the metadata, and the style would reach outside the picture.
_FOREIGN = (r"\s*<metadata>.*?</metadata>", r"\s*<defs>\s*<style.*?</style>\s*</defs>")
_WIDTH = 6.4  # inches; the page scales the picture to its column
_STYLE = {
    "svg.fonttype": "none",  # text stays text: selectable, read aloud, in the page's font
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "xtick.color": _SOFT,
    "ytick.color": _INK,
}


@dataclass(frozen=True)
class Bar:
    """One judged number.

    Parameters
    ----------
    label
        What it is, short.
    estimate, bound
        Both between 0 and 1.
    limit
        What the bound may not pass; ``None`` where the policy sets none.
    chance
        What guessing reaches.
    ok
        Whether the bound keeps to the limit.
    """

    label: str
    estimate: float
    bound: float
    limit: float | None = None
    chance: float | None = None
    ok: bool = True


def bounds_plot(bars: Sequence[Bar], *, name: str, title: str, axis: str) -> Markup:
    """Draw estimates with their one-sided bounds and limits, one line each, from 0 to 1.

    Parameters
    ----------
    name
        Distinguishes the identifiers inside the picture from those of the page's other pictures.
    title
        What a screen reader says of the picture.
    axis
        Label of the axis, with what is better.
    """
    with _theme(name):
        figure = Figure(figsize=(_WIDTH, 0.9 + 0.42 * len(bars)))
        axes = figure.add_axes((0.42, 0.62 / figure.get_figheight(), 0.55, _share(figure, 0.9)))
        for place, bar in enumerate(bars):
            _draw(axes, len(bars) - 1 - place, bar)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.6, len(bars) - 0.4)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0", ".25", ".5", ".75", "1"])
        axes.set_yticks(range(len(bars)), labels=[bar.label for bar in reversed(bars)])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=_LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(axis)
        axes.spines[["top", "right", "left"]].set_visible(False)
        return _svg(figure, title)


def histogram(sizes: Sequence[int], floor: int, *, name: str, title: str) -> Markup:
    """Draw how many people are in classes of each size, with the smallest size that may leave."""
    people = Counter({size: size * count for size, count in Counter(sizes).items()})
    with _theme(name):
        figure = Figure(figsize=(_WIDTH, 2.6))
        axes = figure.add_axes((0.1, 0.24, 0.87, 0.68))
        places = sorted(people)
        axes.bar(places, [people[place] for place in places], color=_FILL, width=0.8)
        axes.axvline(floor - 0.5, color=_BAD, linewidth=1.4, linestyle=(0, (4, 3)))
        axes.annotate(
            f"k = {floor}",
            (floor - 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(5, -4),
            textcoords="offset points",
            va="top",
            color=_BAD,
        )
        axes.set_xlim(0, max([*places, floor]) + 1.5)
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_locator(MaxNLocator(6, integer=True))
        axes.tick_params(axis="y", colors=_SOFT)
        axes.set_xlabel("people in the class")
        axes.set_ylabel("people")
        axes.spines[["top", "right"]].set_visible(False)
        return _svg(figure, title)


def _draw(axes: Axes, height: int, bar: Bar) -> None:
    colour = _ACCENT if bar.ok else _BAD
    axes.plot([bar.estimate, bar.bound], [height, height], color=colour, linewidth=3, alpha=0.55)
    axes.plot(bar.bound, height, marker="|", markersize=11, markeredgewidth=2.4, color=colour)
    axes.plot(bar.estimate, height, marker="o", markersize=6.5, color=colour)
    if bar.limit is not None:
        line = Line2D([bar.limit] * 2, [height - 0.4, height + 0.4], color=_INK, linewidth=1.6)
        axes.add_line(line)
    if bar.chance is not None:
        axes.plot(bar.chance, height, marker="d", markersize=4.5, color=_SOFT)


def _theme(name: str) -> AbstractContextManager[None]:
    """Return a context in which nobody's matplotlibrc counts."""
    return style.context(["default", {**_STYLE, "svg.hashsalt": name}])


def _share(figure: Figure, margins: float) -> float:
    """Return the share of the figure's height that is left beside ``margins`` inches."""
    return 1 - margins / float(figure.get_figheight())


def _svg(figure: Figure, title: str) -> Markup:
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
