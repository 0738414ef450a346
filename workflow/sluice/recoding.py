"""How the people of a tier are put into classes: the answer to :mod:`sluice.questions`.

The node is frozen, as it was published before, or searched; single cells change after it where the
policy asks for that; then goes who breaks a rule, or would by what earlier releases have told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.knowledge import MISSING
from sluice.modalities.shared.past import Past, read_past
from sluice.modalities.shared.plan import REMOVED, cell_columns, on_cells
from sluice.modalities.shared.rules import level_names
from sluice.modalities.shared.series import steps_of
from sluice.questions import Question, field_rules
from sluice.tables.hierarchies import ALL
from sluice.tables.local import recode_cells, removed
from sluice.tables.recode import Recoding, suppress


def tier_classes(
    job: Job, asked: Question, *, anew: bool = False
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return who is kept in which class, and the recoding.

    Frozen by the policy or by what was published before, else searched; with ``anew``, searched
    among what is no finer than that. Earlier releases may keep people out too: see
    :mod:`sluice.tables.sequential`.
    """
    rules = field_rules(job.settings.modalities or {})
    policy, table, quasi, sensitive = asked.policy, asked.table, asked.quasi, asked.sensitive
    names = {q: level_names(rules[q]) if q in rules else ["value"] for q in quasi}
    past = read_past(job)
    subjects = past.subjects(job, table.index)
    free = ~subjects.isin(past.suppressed)
    mode: str = policy.recoding.mode
    if mode == "search" and past.own and not anew:
        mode = "series"
    if mode == "search":
        found = _searched(job, _no_finer(asked, names, past))
        node = found.node
        recoded, kept = _recoded(asked, node), ~found.suppressed & free
    else:
        found = None
        node = _frozen_node(job.tier, asked, names, past)
        past.refuse_finer(job.tier, steps_of(node, rules, names), rules, policy)
        recoded = _recoded(asked, node)
        kept = _kept(asked, recoded, free)
    cells = pd.DataFrame(index=table.index)
    if policy.recoding.local != "none":
        levels = past.coarsest(_cell_levels(asked, node, names), subjects, names)
        changed = _with_cells(asked, node, levels)
        again = _kept(asked, changed, free)
        # Cells go only where more people can stay for it, or where some are gone already.
        if past.changed_cells or again.sum() > kept.sum():
            recoded, kept, cells = changed, again, levels
    class_id = np.asarray(recoded.groupby(quasi, sort=True, dropna=False).ngroup()) if quasi else 0
    shown = pd.Series(class_id, index=subjects)[kept]
    stays, waits = past.staying(job, shown, table[sensitive].set_axis(subjects), asked.rules)
    held = np.zeros(len(table), dtype=bool)
    held[kept], kept[kept] = waits, stays
    people = pd.DataFrame({"subject": table.index, "kept": kept}).assign(
        class_id=np.where(kept, class_id, -1),
        held=held,
        **cell_columns(cells),
    )
    recoding: dict[str, Any] = {
        "mode": mode,
        "node": node,
        "levels": names,
        "loss": None if found is None else round(found.loss, 9),
        "gap": None if found is None else round(found.gap, 9),
        "quasi": quasi,
        "untold": sorted(asked.untold & set(policy.quasi)),
        "sensitive": sensitive,
        "attackers": {n: a.model_dump(mode="json") for n, a in sorted(policy.attackers.items())},
        "k": policy.k,
        "l_diversity": policy.l_diversity,
        "reason": policy.recoding.reason,
        "steps": {name: asdict(step) for name, step in steps_of(node, rules, names).items()},
    }
    if not cells.empty:
        recoding["local"] = {
            "mode": policy.recoding.local,
            "fields": {
                name: {
                    "removed": int((cells.loc[kept, name] == REMOVED).sum()),
                    "coarser": int((cells.loc[kept, name] > node[name]).sum()),
                }
                for name in map(str, cells)
            },
        }
    return people, recoding


def _no_finer(asked: Question, names: Mapping[str, Sequence[str]], past: Past) -> Question:
    """Return the question over the levels that are no finer than what was published."""
    free = {q: past.no_finer(q, names[q], levels) for q, levels in asked.ladders.items()}
    return replace(asked, ladders=free)


def _searched(job: Job, asked: Question) -> Recoding:
    """Search; the node names levels by their place in the policy."""
    try:
        found = asked.search(asked.levels, asked.policy.max_suppression)
    except SluiceError as error:
        release = f"{job.layout.cohort}/{job.layout.version}"
        hint = f"`sluice explain {release} --tier {job.tier}` says what would help"
        raise SluiceError(
            error.what,
            where=f"tier {job.tier}: {error.where}" if error.where else f"tier {job.tier}",
            mend=f"{error.mend}; {hint}" if error.mend else hint,
        ) from None
    return replace(found, node={q: list(asked.ladders[q])[found.node[q]] for q in asked.quasi})


def _frozen_node(
    tier: str, asked: Question, names: Mapping[str, Sequence[str]], past: Past
) -> dict[str, int]:
    """Return the level of each field: the policy's, else as it was published, else the finest."""
    ladders = asked.ladders
    finest = {q: min(past.no_finer(q, names[q], ladders[q])) for q in ladders}
    node = {q: asked.policy.recoding.node.get(q, finest[q]) for q in ladders}
    for name, level in node.items():
        if level not in ladders[name]:
            raise SluiceError(
                "A frozen level is finer than its source allows, or does not exist",
                where=f"tier {tier}, field {name}, level {level}",
                mend=f"freeze one of: {', '.join(map(str, ladders[name]))}",
            )
    return node


def _kept(asked: Question, recoded: pd.DataFrame, free: np.ndarray) -> np.ndarray:
    """Return who may stay by the classes, of those whom no earlier release keeps out."""
    kept = free.copy()
    kept[free] = suppress(recoded[free], asked.quasi, asked.policy.k, **asked.limits)
    return kept


def _cell_levels(
    asked: Question, node: Mapping[str, int], names: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return the level of each cell that may change, subjects as index (see ``REMOVED``)."""
    policy, table, ladders = asked.policy, asked.table, asked.ladders
    steps = {name: [level] for name, level in node.items()}
    for name in set(policy.recoding.local_fields) & set(node):
        if policy.recoding.local == "recode":
            coarser = [i for i in ladders[name] if i > node[name] and names[name][i] != ALL]
            steps[name] += coarser
        steps[name].append(REMOVED)
    places = recode_cells(
        table.assign(**{name: table[name].fillna(MISSING) for name in asked.sensitive}),
        {name: [(ladders[name] | {REMOVED: removed})[i] for i in steps[name]] for name in node},
        asked.rules,
        policy.recoding.weights,
    )
    levels = {
        name: np.array(steps[name])[places[:, j]]
        for j, name in enumerate(node)
        if len(steps[name]) > 1
    }
    return pd.DataFrame(levels, index=table.index)


def _with_cells(asked: Question, node: Mapping[str, int], cells: pd.DataFrame) -> pd.DataFrame:
    out = _recoded(asked, node)
    for name in map(str, cells):
        out[name] = on_cells(asked.table[name], asked.ladders[name], cells[name])
    return out.fillna(MISSING)


def _recoded(asked: Question, node: Mapping[str, int]) -> pd.DataFrame:
    out = asked.table.copy()
    for name, level in node.items():
        out[name] = asked.ladders[name][level](asked.table[name])
    return out.fillna(MISSING)
