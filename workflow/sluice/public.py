"""Public products: planned from the policy alone, measured once, sealed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.attacks.dp_audit import audit_counts, audit_means
from sluice.config import load_release
from sluice.config.policy import Product
from sluice.dp.accounting import split_epsilon
from sluice.dp.planner import Plan, refusal
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.dp.products import Account, Measured, measure_counts, measure_means
from sluice.dp.synthetic import sample_rows
from sluice.errors import SluiceError
from sluice.files import read_json
from sluice.files.tables import column_types
from sluice.jobs import Job
from sluice.ledger.chain import Ledger
from sluice.ledger.spends import spends
from sluice.modalities import load
from sluice.scores import Score


def question(name: str, product: Product, shares: dict[str, tuple[float, float]]) -> Plan | None:
    """Return the question that a product asks, or ``None`` for one derived from another."""
    settings = product.settings
    if "from" in settings:
        return None
    epsilon, delta = shares[name]
    if settings.get("kind") == "means":
        size = int(settings["dimensions"])
        clip = float(settings.get("clip", 3.0)) * size**0.5
        features = settings.get("features") or [f"feature_{n + 1:02d}" for n in range(size)]
        labels = ("all",)
        return MeansPlan(name, tuple(features), "group", labels, clip, clip**0.5, epsilon, delta)
    domains = {field: tuple(values) for field, values in settings["domains"].items()}
    tables = tuple(tuple(table) for table in settings["tables"])
    return CountsPlan(name, domains, tables, epsilon, delta, settings["mechanism"])


def questions(job: Job) -> dict[str, Plan]:
    """Return every question that the policy's public tier asks, with its share of the budget.

    A modality's share is split equally among its questions; δ is split the same way. Gaussian
    questions alone share μ²; beside Laplace noise, which composes worse, shares of ε add up.
    """
    products, budget = job.settings.products or {}, job.settings.budget
    if budget is None:
        raise SluiceError("The public tier has no budget", mend="add `budget:` to the policy")
    asking = {n: p for n, p in products.items() if "from" not in p.settings and p.enabled}
    by_modality = pd.Series({n: p.modality for n, p in asking.items()}).value_counts()
    weights = {n: budget.shares[p.modality] / by_modality[p.modality] for n, p in asking.items()}
    if any(p.settings.get("mechanism") == "laplace" for p in asking.values()):
        epsilons = {n: budget.release_epsilon * weight for n, weight in weights.items()}
    else:
        epsilons = split_epsilon(budget.release_epsilon, budget.release_delta, weights)
    shares = {n: (epsilons[n], budget.release_delta * weights[n]) for n in asking}
    found = {n: question(n, p, shares) for n, p in asking.items()}
    return {n: plan for n, plan in found.items() if plan is not None}


def refusals(job: Job) -> dict[str, str]:
    """Return why products are not worth asking, before anything is spent."""
    budget = job.settings.budget
    assert budget is not None
    found = {name: refusal(plan, budget) for name, plan in questions(job).items()}
    return {name: reason for name, reason in found.items() if reason}


def measure_products(job: Job, out: Path) -> None:
    """Measure every public product that the plan has on; replay what is sealed.

    Raises
    ------
    SluiceError
        If an individual tier failed its gates, an answer to be carried has no question, a reissue
        has no grounds, or the ledger refuses.
    """
    settings = job.settings
    assert settings.budget is not None and settings.products is not None
    assert settings.release is not None
    _require_passed(job)
    _require_known(settings.release.carry_forward, questions(job))
    plan = read_json(job.layout.plan("public"))
    job.note_input(job.layout.plan("public"))
    on = {name for name, state in plan["products"].items() if state["status"] == "on"}
    asked = {name: question for name, question in questions(job).items() if name in on}
    release = settings.release
    carried = {q: str(release.supersedes) for q in release.carry_forward if release.supersedes}
    measured: dict[str, Measured] = {}
    with Ledger.open(job.layout.ledger) as ledger:
        if release.reissue:
            require_grounds(job, ledger)
        account = Account(
            ledger,
            settings.budget,
            release.cohort,
            release.version,
            reissue=release.reissue,
            carry_from=carried,
        )
        for modality in sorted({settings.products[name].modality for name in asked}):
            piece = Job(job.config, "minimize", "public", modality)
            contributions = load(modality, "contribute")(piece)
            for name, plan_ in sorted(asked.items()):
                if settings.products[name].modality == modality:
                    frame = contributions[name]
                    measured[name] = _measure(account, plan_, frame, settings.products[name])
                    job.write(out / f"{name}.parquet", measured[name].frame)
    for name in sorted(on - set(asked)):
        job.write(out / f"{name}.parquet", _derived(job, name, measured, asked))


def _measure(account: Account, plan: Plan, frame: pd.DataFrame, product: Product) -> Measured:
    if isinstance(plan, CountsPlan):
        return measure_counts(account, plan, frame, rounding=int(product.settings["rounding"]))
    groups = pd.Series("all", index=frame.index)
    return measure_means(account, plan, frame.set_axis(list(plan.features), axis=1), groups)


def _derived(
    job: Job, name: str, measured: dict[str, Measured], asked: dict[str, Plan]
) -> pd.DataFrame:
    """Sample synthetic rows from an answer that is already sealed: no further spend."""
    assert job.settings.products is not None
    product = job.settings.products[name]
    source = product.settings["from"]
    plan = asked.get(source)
    if not isinstance(plan, CountsPlan):
        raise SluiceError(
            "A synthetic product names counts that are not measured",
            where=f"product {name}",
            mend="switch both on or both off",
        )
    tree = [tuple(edge) for edge in product.settings["tree"]]
    rounding = int(job.settings.products[source].settings["rounding"])
    key = job.vault.key("synthetic", str(job.settings.version))
    return sample_rows(plan, measured[source].answer, tree, key, rounding=rounding)


def _require_known(carried: list[str], asked: dict[str, Plan]) -> None:
    """Refuse a misspelt name: the answer meant would be drawn anew, and spent."""
    for name in carried:
        if name not in asked:
            raise SluiceError(
                "An answer that is to be carried forward is no public question",
                where="release file, carry_forward",
                mend=f"the policy asks: {', '.join(sorted(asked))}",
            )


def _require_passed(job: Job) -> None:
    for tier in job.config.tiers:
        if tier == "public":
            continue
        gates = read_json(job.layout.gates(tier))
        if gates["verdict"] != "pass":
            raise SluiceError(
                "Public answers are only drawn after the individual tiers passed their gates",
                where=f"tier {tier}",
                mend="mend that tier first; nothing was spent",
            )


def require_grounds(job: Job, ledger: Ledger) -> None:
    """Refuse a reissue that replaces no public answer, or that nobody's withdrawal called for.

    The reserve is there for people who leave, not for a release that came too late.
    """
    release = job.settings.release
    assert release is not None
    replaced = str(release.supersedes)
    if not any(spend.release == replaced for spend in spends(ledger, release.cohort)):
        raise SluiceError(
            "There is nothing to reissue: the version that it replaces has no public answer",
            where=f"release {release.version}, supersedes {replaced}",
            mend="name the version whose answers are replaced, or leave `reissue` out",
        )
    earlier = load_release(job.config.file.parent, release.cohort, replaced)
    days = job.read(job.layout.consent / "withdrawn.parquet")["day"]
    since, until = pd.Timestamp(earlier.cut_date), pd.Timestamp(release.cut_date)
    if not ((days > since) & (days <= until)).any():
        raise SluiceError(
            "A reissue may spend the reserve only after a withdrawal, and there is none",
            where=f"release {release.version}, between the cut dates of both versions",
            mend="leave `reissue` out, or check the day of the withdrawal in the consent file",
        )


def audit_products(job: Job) -> list[Score]:
    """Audit the mechanism of every public product that is on, on made-up people; no spend."""
    plan = read_json(job.layout.plan("public"))
    scores = []
    for name, asked in questions(job).items():
        if plan["products"][name]["status"] != "on":
            continue
        score = (
            audit_counts(asked, product=name)
            if isinstance(asked, CountsPlan)
            else audit_means(asked, product=name)
        )
        scores.append(score)
        derived = [
            n for n, p in (job.settings.products or {}).items() if p.settings.get("from") == name
        ]
        scores += [Score(**{**score.to_json(), "product": n}) for n in derived]
    return scores


_COLUMNS = {
    "value": "Answer of the mechanism, after the stated post-processing",
    "mechanism": "Mechanism that drew the noise",
    "epsilon": "Privacy loss of the whole question, for one participant",
    "delta": "Failure probability of the whole question",
    "scale": "Parameter of the noise, in units of the answer before rounding",
    "feature": "What is averaged; (participants) is the noisy number of participants",
    "group": "Group of participants, fixed by the policy",
}


def describe_products(job: Job) -> list[dict[str, str]]:
    """Return one dictionary row for each column of each public product."""
    folder = job.layout.data("public", "products", "all")
    rows = []
    for path in sorted(folder.glob("*.parquet")):
        for column, kind in column_types(path).items():
            rows.append(
                {
                    "file": f"data/products/{path.name}",
                    "column": column,
                    "type": kind,
                    "unit": "participants" if column == "value" and "counts" in path.stem else "",
                    "description": _COLUMNS.get(column, "Category, fixed by the policy"),
                    "policy_key": f"public.products.{path.stem}",
                    "rule": "differentially private answer",
                }
            )
    return rows
