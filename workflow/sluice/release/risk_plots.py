"""Plots of what risk is made of: field by field, and against what is lost for other k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sluice.release.drawing import ACCENT, BAD, FILL, INK, LINE, SOFT, WIDTH, share, svg, theme


def field_plot(
    without: Mapping[str, float], now: float, limit: float | None, *, name: str, title: str
) -> Markup:
    """Draw, for each field, how far the mean risk falls for somebody who does not know it.

    Parameters
    ----------
    without
        Field → mean risk without it, from the dearest field on.
    now
        Mean risk with all fields.
    limit
        What the mean may not pass.
    name, title
        As in :func:`sluice.release.plots.bounds_plot`.
    """
    with theme(name):
        figure = Figure(figsize=(WIDTH, 1.0 + 0.34 * len(without)))
        height = figure.get_figheight()
        axes = figure.add_axes((0.3, 0.62 / height, 0.67, share(figure, 1.0)))
        for place, risk in enumerate(reversed([*without.values()])):
            axes.plot([risk, now], [place, place], color=FILL, linewidth=5, solid_capstyle="butt")
            axes.plot(risk, place, marker="o", markersize=5.5, color=ACCENT)
        axes.axvline(now, color=INK, linewidth=1.4)
        shown = [now, *without.values()]
        if limit is not None and limit <= 3 * max(shown):
            axes.axvline(limit, color=BAD, linewidth=1.4, linestyle=(0, (4, 3)))
            shown.append(limit)
        axes.set_xlim(0, max(shown) * 1.08)
        axes.set_ylim(-0.7, len(without) - 0.3)
        labels = [field.replace("_", " ") for field in reversed([*without])]
        axes.set_yticks(range(len(without)), labels=labels)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("mean risk of a person")
        axes.spines[["top", "right", "left"]].set_visible(False)
        return svg(figure, title)


def front_plot(
    steps: Sequence[tuple[int, float, float]], k: int, limit: float | None, *, name: str, title: str
) -> Markup:
    """Draw the largest risk against what is kept, one point for the best recoding of each k.

    Parameters
    ----------
    steps
        (k, largest risk, loss) of each.
    k
        The policy's.
    limit
        What the largest risk may not pass.
    """
    with theme(name):
        figure = Figure(figsize=(WIDTH, 2.9))
        axes = figure.add_axes((0.11, 0.2, 0.86, 0.74))
        places: dict[tuple[float, float], list[int]] = {}
        for other, risk, loss in sorted(steps, key=lambda step: (step[2], step[0])):
            places.setdefault((1 - loss, risk), []).append(other)
        kept, risks = [use for use, _ in places], [risk for _, risk in places]
        axes.plot(kept, risks, color=FILL, linewidth=1)
        for (use, risk), ks in places.items():
            own = k in ks
            colour = ACCENT if limit is None or risk <= limit else BAD
            axes.plot(
                use, risk, marker="o", markersize=10 if own else 6, color=colour,
                markeredgecolor=INK if own else colour, markeredgewidth=1.6,
            )  # fmt: skip
            words = "k=" + ", ".join(f"{n} (the policy's)" if n == k else str(n) for n in ks)
            axes.annotate(
                words, (use, risk), xytext=(8, 4), textcoords="offset points",
                color=INK if own else SOFT, fontsize=9,
            )  # fmt: skip
        if limit is not None:
            axes.axhline(limit, color=INK, linewidth=1.2)
        left, right = min(kept), max(kept)
        margin = max(right - left, 0.1)
        axes.set_xlim(left - 0.08 * margin, right + 0.3 * margin)
        axes.set_ylim(0, max([*risks, limit or 0]) * 1.2)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="y", colors=SOFT)
        axes.set_xlabel("kept: 1 − loss (further right is more useful)")
        axes.set_ylabel("largest risk of a person")
        axes.spines[["top", "right"]].set_visible(False)
        return svg(figure, title)
