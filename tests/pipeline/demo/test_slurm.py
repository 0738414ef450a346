"""A cluster builds the same candidates as one machine."""

from __future__ import annotations

from tests.conftest import Slurm
from tests.pipeline.demo.conftest import Again, Published
from tests.pipeline.demo.home import TIERS


def test_candidates_built_through_slurm_have_the_same_digests(
    slurm: Slurm, published: Published, again: Again
) -> None:
    for tier in TIERS:
        assert again.built.candidates[tier] == published.built.candidates[tier]


def test_each_rule_ran_on_the_cluster_but_the_one_that_spends(slurm: Slurm, again: Again) -> None:
    ran = {p.name for p in (again.home.path / ".snakemake/slurm_logs").iterdir()}
    by_modality = {f"rule_intake_{m}" for m in again.home.config.modalities}
    stages = {
        "intake_consent", "curate", "minimize", "deidentify_facts", "deidentify_plan",
        "deidentify_apply", "score", "validate", "bundle",
    }  # fmt: skip
    assert ran == by_modality | {f"rule_{stage}" for stage in stages}
