"""The board's page about a sweep: its plot, its table, what it recommends and what it can't say."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sluice.config.sweep import Setting
from sluice.files import replacing_folder, write_json, write_text
from sluice.release.drawing import standalone
from sluice.release.pages import spoken, write_page
from sluice.release.plots import Point, Recommended, tradeoff_plot
from sluice.scores import Score
from sluice.utility.measures import MEASURES
from sluice.utility.risks import RISKS
from sluice.utility.sweep import Result, Trial

_DECIMALS = 6  # beyond these threads of a linear algebra library may differ


def write_tradeoff(folder: Path, result: Result, genes: int) -> None:
    """Write ``index.html``, ``sweep.svg``, ``sweep.csv`` and ``sweep.json`` of a sweep.

    The folder is swapped in whole. It is for the board: it holds exact counts and measured
    numbers that depend on the data, so no part of it belongs in a bundle.

    Parameters
    ----------
    genes
        Genes of the matrix, for the page.
    """
    picture = _plot(result)
    with replacing_folder(folder) as out:
        write_json(out / "sweep.json", _rounded(as_json(result)))
        write_text(out / "sweep.csv", _csv(result))
        if picture:
            write_text(out / "sweep.svg", standalone(picture))
        write_page(
            out / "index.html",
            "sweep.html",
            demo=False,
            result=result,
            plan=result.plan,
            genes=genes,
            plot=picture,
            ceiling=_ceiling(result),
            rows=[_row(trial) for trial in result.trials],
            passing=sum(trial.verdict == "pass" for trial in result.trials),
            comparison=_comparison(result),
            measures=MEASURES,
            not_run=sorted(set(RISKS) - set(result.plan.limits)),
        )


def as_json(result: Result) -> dict[str, Any]:
    """Return everything that a sweep found, as plain JSON types."""
    return {
        "recommended": result.chosen.setting.label if result.chosen else None,
        "holds": result.holds,
        "measure": result.plan.measure,
        "min_utility": result.plan.min_utility,
        "limits": result.plan.limits,
        "left_out": result.left_out,
        "donors": {"chosen_on": result.donors[0][0], "judged_on": result.donors[1][0]},
        "chosen_on": [_trial_json(trial) for trial in result.trials],
        "judged_on": _trial_json(result.judged) if result.judged else None,
    }


def _trial_json(trial: Trial) -> dict[str, Any]:
    return {
        "setting": {"label": trial.setting.label, **trial.setting.model_dump()},
        "verdict": trial.verdict,
        "risk": trial.risk,
        # Weak variants of an attack, which are in its detail only, may differ with the threads.
        "risks": [replace(score, detail={}).to_json() for score in trial.risks],
        "utilities": [score.to_json() for score in trial.utilities],
    }


def _csv(result: Result) -> str:
    """Return the table: the settings on the donors they were chosen on, then the judged one."""
    head = ["donors_used", "setting", *Setting.model_fields, "verdict", "risk", "deciding_attack"]
    for attack in sorted(result.plan.limits):
        head += [attack, f"{attack}_upper"]
    for measure in MEASURES:
        head += [measure, f"{measure}_lower", f"{measure}_ceiling"]
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, [*head, "recommended"], lineterminator="\n")
    table.writeheader()
    for trial in result.trials:
        table.writerow(_record(trial, "to choose") | {"recommended": trial is result.chosen})
    if result.judged:
        table.writerow(_record(result.judged, "to judge") | {"recommended": True})
    return buffer.getvalue()


def _record(trial: Trial, used: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "donors_used": used,
        "setting": trial.setting.label,
        **trial.setting.model_dump(),
        "verdict": trial.verdict,
        "risk": trial.risk,
        "deciding_attack": trial.deciding.name if trial.deciding else None,
    }
    for score in trial.risks:
        found |= {score.name: score.estimate, f"{score.name}_upper": score.upper}
    for score in trial.utilities:
        found |= {
            score.name: score.estimate,
            f"{score.name}_lower": score.lower,
            f"{score.name}_ceiling": score.detail["ceiling"],
        }
    return dict(_rounded(found))


def _row(trial: Trial) -> dict[str, Any]:
    """Return one line of the page's table."""
    return {"trial": trial, "utilities": {score.name: score for score in trial.utilities}}


def _comparison(result: Result) -> list[dict[str, Any]]:
    """Return the recommended setting's scores, where it was chosen beside where it was judged."""
    chosen, judged = result.chosen, result.judged
    if chosen is None or judged is None:
        return []
    return [
        {
            "name": spoken(one.name),
            "attack": attack,
            "limit": result.plan.limits.get(one.name),
            "chosen": one,
            "judged": other,
        }
        for attack, pairs in (
            (True, zip(chosen.risks, judged.risks, strict=True)),
            (False, _same(chosen.utilities, judged.utilities)),
        )
        for one, other in pairs
    ]


def _same(one: Sequence[Score], two: Sequence[Score]) -> list[tuple[Score, Score]]:
    """Pair the scores that both halves have: how many groups there are may differ."""
    others = {score.name: score for score in two}
    return [(score, others[score.name]) for score in one if score.name in others]


def _ceiling(result: Result) -> float | None:
    """Return the ceiling of the measure that settings are chosen by; all settings share it."""
    found = (trial.utility for trial in result.trials)
    return next((float(score.detail["ceiling"]) for score in found if score), None)


def _plot(result: Result) -> Markup | None:
    """Draw the settings for which both risk and utility are known; ``None`` without any."""
    ceiling = _ceiling(result)
    points = [_point(trial) for trial in result.trials if trial.risk and trial.utility]
    if not points or ceiling is None:
        return None
    recommended = None
    if result.chosen and result.judged and result.judged.utility:
        recommended = Recommended(
            result.chosen.setting.label, _point(result.chosen), _point(result.judged)
        )
    passing = sum(point.ok for point in points)
    return tradeoff_plot(
        points,
        recommended,
        ceiling=round(ceiling, 4),
        name="sweep",
        title=f"Risk against utility of {len(points)} settings, of which {passing} pass; the "
        "table holds the same numbers",
        axis=f"utility: {spoken(result.plan.measure)}, agreement with other donors' raw values",
    )


def _point(trial: Trial) -> Point:
    setting = trial.setting
    assert trial.utility is not None
    assert trial.risk is not None
    single = [setting.what] if setting.sets or not setting.steps else []
    groups = setting.donors > 1
    on_curve = groups and setting.sets and not (setting.noise or setting.suppress)
    return Point(
        label=str(setting.sets)
        if on_curve
        else f"{setting.what}, {setting.whose}"
        if groups
        else ", ".join([*single, *setting.steps]),
        utility=round(trial.utility.estimate, 4),
        risk=round(trial.risk, 4),
        ok=trial.verdict == "pass",
        curve=f"gene sets, {setting.whose}" if on_curve else None,
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return round(value, _DECIMALS) if isinstance(value, float) else value
