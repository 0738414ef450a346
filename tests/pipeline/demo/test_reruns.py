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
from sluice.files.tables import read_table
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
    ("cohort", "modalities/imaging/parts", 2, []),
    ("cohort", "attack_inputs", [], ["intake [!c]*", "intake clinical", "score *"]),
    ("cohort", "consent/codes/PUB/duo", [], ["intake *", "bundle *"]),
    ("cohort", "defined_by", [], ["deidentify_facts *", "deidentify_plan *"]),
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


IMAGING = (
    "intake imaging", "curate imaging.*", "minimize *.imaging.*", "deidentify_plan *",
    "deidentify_apply *.imaging.*", "score *.imaging", "bundle *",
)  # fmt: skip
SLUICE = "workflow/sluice"
#: Shipped file, and the jobs whose code digest covers it.
SOURCES: dict[str, tuple[str, ...]] = {
    "workflow/scripts/score.py": ("score *",),
    f"{SLUICE}/modalities/clinical/apply.py": ("deidentify_apply *.clinical.all",),
    f"{SLUICE}/modalities/clinical/facts.py": (
        "deidentify_facts *.clinical", "deidentify_plan *", "deidentify_apply *.clinical.all",
        "score *",
    ),
    f"{SLUICE}/modalities/bulk/curate.py": ("curate bulk.all",),
    f"{SLUICE}/modalities/bulk/individual.py": (
        "deidentify_plan *", "deidentify_apply *.bulk.all", "score *.bulk", "bundle *",
    ),
    f"{SLUICE}/modalities/imaging/apply.py": ("deidentify_apply *.imaging.*",),
    f"{SLUICE}/modalities/imaging/describe.py": ("bundle *",),
    f"{SLUICE}/dicom/rules.py": (*IMAGING, "score *"),
    f"{SLUICE}/expression/write.py": (
        "deidentify_apply *.bulk.all", "deidentify_apply *.singlecell.all",
    ),
    f"{SLUICE}/attacks/traits.py": ("score *.bulk", "score *.singlecell"),
    f"{SLUICE}/attacks/linkage.py": ("score *",),
    f"{SLUICE}/gates/judge.py": ("validate *", "bundle *"),
    f"{SLUICE}/release/seal.py": ("bundle *",),
    f"{SLUICE}/release/publish.py": (),
    f"{SLUICE}/cli/run.py": (),
    f"{SLUICE}/demo/people.py": (),
    f"{SLUICE}/errors.py": ("*",),
    "resources/dicom/ps3.15-2026d.csv": (*IMAGING, "deidentify_facts *.imaging", "score *"),
    "resources/templates/review.html": ("validate *", "bundle *"),
    "resources/demo/places.csv": (),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_an_edited_file_reruns_exactly_the_jobs_that_use_it(demo: Home, source: str) -> None:
    path = shipped() / source
    assert path.is_file()
    told = jobs(demo.config)
    users = {name for name, piece in told.items() if path in reads(demo.config, piece)}
    assert users == named(told, *SOURCES[source])


@contextmanager
def edited(path: Path, addition: str) -> Iterator[None]:
    """Append to a file of the checkout, and put it back with its time."""
    kept, times = path.read_bytes(), path.stat()
    path.write_bytes(kept + addition.encode())
    try:
        yield
    finally:
        path.write_bytes(kept)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def check_plan(demo: Home, said: str, own: set[str], follows: set[str]) -> None:
    """Check that a dry run names these jobs and no other, some of them for their own digests.

    Of a job that follows from another as well, Snakemake only tells the latter.
    """
    reasons = planned(demo, said)
    for_own_sake = {name for name, reason in reasons.items() if PARAMS in reason}
    assert for_own_sake
    assert for_own_sake <= own
    assert set(reasons) == own | follows


def test_snakemake_reruns_what_a_changed_limit_touches_and_what_follows(demo: Home) -> None:
    policy = {"policies/demo.yaml": {"tiers/controlled/limits/prosecutor/max": 0.1}}
    said = dry_run(demo, file=demo.variant("other", policy))
    own = named(jobs(demo.config), *of(JUDGED, "controlled"))
    public = ("dp_measure all", "score public.joint", *of(JUDGED, "public"))
    check_plan(demo, said, own, named(jobs(demo.config), *public))


def test_snakemake_reruns_what_an_edited_module_touches_and_what_follows(demo: Home) -> None:
    with edited(demo.checkout / SLUICE / "modalities/clinical/apply.py", "# edited\n"):
        said = dry_run(demo)
    own = named(jobs(demo.config), "deidentify_apply *.clinical.all")
    follows = (
        "minimize registered.clinical.all", "deidentify_facts registered.clinical",
        "deidentify_plan registered", "deidentify_apply registered.*", "score *", "dp_measure all",
        *of(JUDGED, "*"),
    )  # fmt: skip
    check_plan(demo, said, own, named(jobs(demo.config), *follows))


def test_snakemake_reruns_what_an_edited_resource_touches_and_what_follows(demo: Home) -> None:
    with edited(demo.checkout / "resources/templates/review.html", "<!-- edited -->"):
        said = dry_run(demo)
    own = named(jobs(demo.config), *of(JUDGED, "*"))
    check_plan(demo, said, own, {"dp_measure all", "score public.joint"})


def test_another_lock_reruns_everything(demo: Home) -> None:
    with edited(demo.checkout / "envs/requirements.txt", "# edited\n"):
        said = dry_run(demo, "intake"), dry_run(demo)
    assert set(planned(demo, said[0])) == named(jobs(demo.config), "intake *")
    check_plan(demo, said[1], set(jobs(demo.config)), set())


def test_a_file_that_was_only_touched_reruns_nothing(demo: Home) -> None:
    for name in (f"{SLUICE}/planning.py", "resources/dicom/ps3.15-2026d.csv", "Snakefile"):
        os.utime(demo.checkout / name)
    assert NOTHING in dry_run(demo)


def test_one_changed_raw_file_reruns_its_own_part_and_what_follows(again: Again) -> None:
    home = again.home
    part, file = _a_file(home)
    file.write_bytes(_flipped(file.read_bytes()))
    home.take_listing("second")
    home.snakemake("intake", "--cores", "2")
    reasons = set(planned(home, dry_run(home)))
    told = jobs(home.config)
    own = f"imaging.{part}"
    upstream = named(told, "curate *", "minimize controlled.*", "minimize public.*")
    assert reasons & upstream == named(
        told, f"curate {own}", f"minimize controlled.{own}", f"minimize public.{own}"
    )
    facts = named(told, "deidentify_facts controlled.*", "deidentify_facts public.*")
    assert reasons & facts == named(
        told, "deidentify_facts controlled.imaging", "deidentify_facts public.imaging"
    )
    follows = ("deidentify_plan *", "deidentify_apply *", "score *", "dp_measure all", "bundle *")
    assert named(told, *follows) <= reasons


def _a_file(home: Home) -> tuple[str, Path]:
    """Return an imaging part and one of its raw files."""
    part = home.config.parts("imaging")[0]
    listed = read_table(home.layout.part_list("imaging", part))
    manifest = read_table(home.layout.manifest("imaging")).set_index("file_id")
    return part, home.layout.raw_cohort / manifest.loc[listed["file_id"].iloc[0], "path"]


def _flipped(content: bytes) -> bytes:
    """Change the last bit: of a pixel or of padding, never of a header."""
    return content[:-1] + bytes([content[-1] ^ 1])
