"""Plots of judged numbers, of a sweep and of class sizes, as inline SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sluice.release.drawing import ACCENT, BAD, FILL, INK, LINE, SOFT, WIDTH, share, svg, theme


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
    with theme(name):
        figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(bars)))
        axes = figure.add_axes((0.42, 0.62 / figure.get_figheight(), 0.55, share(figure, 0.9)))
        for place, bar in enumerate(bars):
            _draw(axes, len(bars) - 1 - place, bar)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.6, len(bars) - 0.4)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0", ".25", ".5", ".75", "1"])
        axes.set_yticks(range(len(bars)), labels=[bar.label for bar in reversed(bars)])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(axis)
        axes.spines[["top", "right", "left"]].set_visible(False)
        return svg(figure, title)


@dataclass(frozen=True)
class Point:
    """One setting of a sweep.

    Parameters
    ----------
    label
        What was done, in a few words.
    utility
        Estimate.
    risk
        Largest bound of all attacks, as a multiple of its limit.
    ok
        Whether it passes.
    curve
        The series it belongs to: a line leads to it from the series' point before, and its label is
        short. Elsewhere the label stands apart, with a line to the marker: above the highest
        points, beside the others.
    """

    label: str
    utility: float
    risk: float
    ok: bool
    curve: str | None = None


@dataclass(frozen=True)
class Recommended:
    """The setting that a sweep recommends: in words, where it was chosen, where it was judged."""

    words: str
    chosen: Point
    judged: Point


def tradeoff_plot(
    points: Sequence[Point],
    recommended: Recommended | None,
    *,
    ceiling: float,
    name: str,
    title: str,
    axis: str,
) -> Markup:
    """Draw risk against utility: a marker a setting, the limit, the recommended setting.

    Parameters
    ----------
    points
        In the order in which lines join them.
    ceiling
        Utility of real values against real values.
    name, title, axis
        As in :func:`bounds_plot`; the axis is that of utility.
    """
    with theme(name):
        figure = Figure(figsize=(10, 6.6), dpi=72)
        axes = figure.add_axes((0.08, 0.09, 0.9, 0.89))
        _frame(axes, points, ceiling, axis)
        for point in points:
            colour = ACCENT if point.ok else BAD
            axes.plot(
                point.utility, point.risk, marker="o" if point.curve else "D", markersize=7,
                color=colour, markerfacecolor=colour if point.ok else "none", markeredgewidth=1.6,
            )  # fmt: skip
        _curves(axes, points)
        _labels_apart(axes, points)
        if recommended:
            _recommend(axes, recommended)
        return svg(figure, title)


def _frame(axes: Axes, points: Sequence[Point], ceiling: float, axis: str) -> None:
    """Draw what every setting is measured by."""
    utilities, risks = [p.utility for p in points], [p.risk for p in points]
    low, high = min(0.5, *risks, 1) * 0.75, max(2, *risks, 1) * 4
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    left, right = min(0, *utilities, 0) - 0.06, max(ceiling, *utilities, 0.5)
    axes.set_xlim(left, right + 0.36 * (right - left))
    axes.axhspan(low, 1, color=ACCENT, alpha=0.08, linewidth=0)
    axes.axhline(1, color=INK, linewidth=1.6)
    axes.axvline(ceiling, color=SOFT, linewidth=1.2, linestyle=(0, (2, 3)))
    ticks = [tick for tick in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= tick <= high / 2]
    axes.set_yticks(ticks, labels=["limit" if t == 1 else f"{t:g} ×" for t in ticks])
    axes.set_yticks([], minor=True)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    _say(axes, "fails: a bound is above its limit", (right, 1), (8, 5), BAD)
    _say(axes, "passes: all bounds within limits", (right, 1), (8, -14), ACCENT)
    _say(axes, "ceiling: real against real", (ceiling, low), (5, 6), SOFT)
    axes.set_xlabel(axis)
    axes.set_ylabel("risk: largest bound of an attack, as a multiple of its limit")
    axes.spines[["top", "right"]].set_visible(False)


def _say(
    axes: Axes, words: str, place: tuple[float, float], by: tuple[float, float], colour: str
) -> None:
    """Write words at a place of the data, moved by some points."""
    axes.annotate(words, place, xytext=by, textcoords="offset points", color=colour, fontsize=9)


def _curves(axes: Axes, points: Sequence[Point]) -> None:
    """Join the points of each curve, number them, and name the curve at its end."""
    for curve in dict.fromkeys(point.curve for point in points if point.curve):
        own = [point for point in points if point.curve == curve]
        line = [p.utility for p in own], [p.risk for p in own]
        axes.plot(*line, color=FILL, linewidth=1, zorder=1)
        for point in own:
            name = f"   {curve}" if point is own[-1] else ""
            colour = INK if name else SOFT
            _say(axes, point.label + name, (point.utility, point.risk), (7, -3), colour)


def _labels_apart(axes: Axes, points: Sequence[Point]) -> None:
    """Write the other labels where they do not cover each other."""
    single = [point for point in points if not point.curve]
    if not single:
        return
    highest = max(point.risk for point in points)
    above = [(p.label, p) for p in single if p.risk > 0.99 * highest]
    beside = [(p.label, p) for p in single if p.risk <= 0.99 * highest]
    style: dict[str, Any] = {"fontsize": 9, "color": INK, "textcoords": "offset points"}
    arrow = {"arrowstyle": "-", "color": LINE, "linewidth": 0.8, "shrinkB": 5, "shrinkA": 1}
    places = axes.transData.transform([(p.utility, p.risk) for _, p in above + beside])
    for (words, point), x, moved in zip(
        above, places[:, 0], _apart(places[: len(above), 0], 15), strict=False
    ):
        axes.annotate(
            words, (point.utility, point.risk), xytext=(moved - x, 20), rotation=45, ha="left",
            va="bottom", rotation_mode="anchor", arrowprops=arrow, **style,
        )  # fmt: skip
    right = max(places[len(above) :, 0], default=0) + 22
    for (words, point), (x, y), moved in zip(
        beside, places[len(above) :], _apart(places[len(above) :, 1], 13), strict=True
    ):
        axes.annotate(
            words, (point.utility, point.risk), xytext=(right - x, moved - y), va="center",
            arrowprops=arrow, **style,
        )  # fmt: skip


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Return places moved as little as needed to lie ``gap`` apart, their order kept."""
    order = np.argsort(places, kind="stable")
    moved = places[order].astype(float)
    for _ in range(500):
        missing = gap - np.diff(moved)
        push = np.where(missing > 1e-6, missing / 2, 0)
        moved[1:] += push
        moved[:-1] -= push
    out = np.empty_like(moved)
    out[order] = moved
    return out


def _recommend(axes: Axes, recommended: Recommended) -> None:
    """Ring the setting where it was chosen, and show it where it was judged."""
    chosen, judged = recommended.chosen, recommended.judged
    ring: dict[str, Any] = {
        "markersize": 17,
        "markerfacecolor": "none",
        "markeredgewidth": 1.8,
        "color": INK,
    }
    axes.plot(chosen.utility, chosen.risk, marker="o", **ring)
    axes.plot(
        judged.utility, judged.risk, marker="*", markersize=14, color=INK, linestyle="none",
        markerfacecolor=INK if judged.ok else "none", zorder=4,
    )  # fmt: skip
    axes.annotate(
        f"Recommended: {recommended.words}\nring: where it was chosen; star: the same setting on "
        "donors not used to choose",
        (chosen.utility, chosen.risk), xytext=(0.008, 0.02), textcoords="axes fraction",
        fontsize=9.5, color=INK, va="bottom",
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8, "shrinkB": 9},
    )  # fmt: skip


def histogram(sizes: Sequence[int], floor: int, *, name: str, title: str) -> Markup:
    """Draw how many people are in classes of each size, with the smallest size that may leave."""
    people = Counter({size: size * count for size, count in Counter(sizes).items()})
    with theme(name):
        figure = Figure(figsize=(WIDTH, 2.6))
        axes = figure.add_axes((0.1, 0.24, 0.87, 0.68))
        places = sorted(people)
        axes.bar(places, [people[place] for place in places], color=FILL, width=0.8)
        axes.axvline(floor - 0.5, color=BAD, linewidth=1.4, linestyle=(0, (4, 3)))
        axes.annotate(
            f"k = {floor}",
            (floor - 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(5, -4),
            textcoords="offset points",
            va="top",
            color=BAD,
        )
        axes.set_xlim(0, max([*places, floor]) + 1.5)
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_locator(MaxNLocator(6, integer=True))
        axes.tick_params(axis="y", colors=SOFT)
        axes.set_xlabel("people in the class")
        axes.set_ylabel("people")
        axes.spines[["top", "right"]].set_visible(False)
        return svg(figure, title)


def _draw(axes: Axes, height: int, bar: Bar) -> None:
    colour = ACCENT if bar.ok else BAD
    axes.plot([bar.estimate, bar.bound], [height, height], color=colour, linewidth=3, alpha=0.55)
    axes.plot(bar.bound, height, marker="|", markersize=11, markeredgewidth=2.4, color=colour)
    axes.plot(bar.estimate, height, marker="o", markersize=6.5, color=colour)
    if bar.limit is not None:
        line = Line2D([bar.limit] * 2, [height - 0.4, height + 0.4], color=INK, linewidth=1.6)
        axes.add_line(line)
    if bar.chance is not None:
        axes.plot(bar.chance, height, marker="d", markersize=4.5, color=SOFT)
