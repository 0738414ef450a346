"""What runs again after a change: exactly the jobs that can see it, and what follows from them."""

from __future__ import annotations

import dataclasses
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.demo.conftest import Again
from tests.pipeline.demo.home import Home, set_key
from tests.pipeline.demo.jobs import (
    digests,
    jobs,
    named,
    planned,
    reads,
    recorded,
    seen_differently,
)

from sluice.config import Config
from sluice.files import read_table, write_table
from sluice.resources import shipped

NOTHING = "Nothing to be done"
PARAMS = "Params have changed"


def dry_run(home: Home, target: str = "candidates", file: Path | None = None) -> str:
    return home.snakemake(target, "--dry-run", file=file)


@pytest.mark.parametrize("target", ["intake", "candidates"])
def test_after_a_finished_run_there_is_nothing_to_do(
    demo: Home, target: str, record_property: Any
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert NOTHING in dry_run(demo, target)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    record_property(f"snakemake_n_{target}_cpu_s", round(cpu, 1))
    print(f"snakemake -n {target}: {cpu:.1f} s CPU")


def test_the_table_speaks_of_the_jobs_and_digests_that_snakemake_recorded(demo: Home) -> None:
    ran = recorded(demo)
    told = jobs(demo.config)
    assert set(ran) == set(told)
    assert {n for n, piece in told.items() if not digests(demo.config, piece) <= ran[n]} == set()


def changed(config: Config, part: str, key: str, value: Any) -> Config:
    """Return the configuration with one key of one of its parts changed."""
    model = getattr(config, part)
    content = model.model_dump(mode="json", by_alias=True)
    set_key(content, key, value)
    return dataclasses.replace(config, **{part: type(model).model_validate(content)})


JUDGED = ("validate {0}", "bundle {0}")
FIELDS = (
    "minimize {0}.{1}.*", "deidentify_facts {0}.{1}", "deidentify_apply {0}.{1}.*",
    "deidentify_plan {0}", "score {0}.{1}", "score {0}.joint", *JUDGED,
)  # fmt: skip


def of(patterns: tuple[str, ...], *words: str) -> list[str]:
    return [pattern.format(*words) for pattern in patterns]


#: Part of the configuration, key, another value, and the jobs that see it.
SETTINGS: list[tuple[str, str, Any, list[str]]] = [
    ("policy", "tiers/controlled/limits/prosecutor/max", 0.1, of(JUDGED, "controlled")),
    ("policy", "tiers/controlled/limits/residual/mend", "x", of(JUDGED, "controlled")),
    ("policy", "tiers/registered/statements/0", "x", of(JUDGED, "registered")),
    ("policy", "tiers/registered/count_rounding", 20, of(JUDGED, "registered")),
    (
        "policy",
        "tiers/controlled/people/k",
        6,
        ["deidentify_facts controlled.*", "deidentify_plan controlled", *of(JUDGED, "controlled")],
    ),
    (
        "policy",
        "tiers/controlled/modalities/clinical/fields/people.note/allow",
        ["stable"],
        [*of(FIELDS, "controlled", "clinical"), "score registered.joint"],
    ),
    (
        "policy",
        "tiers/controlled/modalities/imaging/settings/age_top",
        80,
        [*of(FIELDS, "controlled", "imaging"), "score registered.joint"],
    ),
    (
        "policy",
        "tiers/registered/modalities/singlecell/settings/decimals",
        1,
        of(FIELDS, "registered", "singlecell"),
    ),
    (
        "policy",
        "tiers/registered/linkage",
        "series",
        ["deidentify_apply registered.*", *of(JUDGED, "registered")],
    ),
    (
        "policy",
        "tiers/public/budget/reason",
        "x",
        ["deidentify_plan public", "dp_measure all", "score public.joint", *of(JUDGED, "public")],
    ),
    (
        "policy",
        "tiers/public/products/clinical_counts/settings/rounding",
        10,
        [
            "minimize public.clinical.all", "deidentify_facts public.clinical",
            "deidentify_plan public", "dp_measure all", "score public.joint",
            *of(JUDGED, "public"),
        ],
    ),
    ("policy", "terms/0", "x", ["bundle *"]),
    ("policy", "edition", "2026.2", ["deidentify_plan *", *of(JUDGED, "*")]),
    ("policy", "unavailable/traits", "x", ["deidentify_plan *", *of(JUDGED, "*")]),
    ("release", "changes/0", "x", of(JUDGED, "*")),
    ("release", "cut_date", "1899-06-29", ["intake consent", "dp_measure all", *of(JUDGED, "*")]),
    (
        "cohort",
        "modalities/bulk/sources/1/columns/batch/role",
        "safe",
        ["intake bulk", "curate bulk.all"],
    ),
    ("cohort", "modalities/imaging/parts", 4, []),
    ("cohort", "attack_inputs", [], ["intake [!c]*", "intake clinical", "score *"]),
    ("cohort", "consent/codes/PUB/duo", [], ["intake *", "bundle *"]),
    ("cohort", "defined_by", [], ["deidentify_plan *"]),
    ("cohort", "title", "x", ["bundle *"]),
    ("site", "contact", "x", of(JUDGED, "*")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "key", "value", "patterns"), SETTINGS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_changed_key_reruns_exactly_the_jobs_that_see_it(
    demo: Home, part: str, key: str, value: Any, patterns: list[str]
) -> None:
    again = seen_differently(demo.config, changed(demo.config, part, key, value))
    assert again == named(jobs(demo.config), *patterns)


#: Module below the package, or shipped file, and the jobs whose code it is.
SOURCES: list[tuple[str, list[str]]] = [
    ("sluice/modalities/clinical/apply.py", ["deidentify_apply *.clinical.all"]),
]


@pytest.mark.parametrize(("source", "patterns"), SOURCES, ids=[source for source, _ in SOURCES])
def test_an_edited_file_reruns_exactly_the_jobs_that_use_it(
    demo: Home, source: str, patterns: list[str]
) -> None:
    path = shipped() / source
    assert path.is_file()
    told = jobs(demo.config)
    users = {name for name, piece in told.items() if path in reads(demo.config, piece)}
    assert users == named(told, *patterns)
