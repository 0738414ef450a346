"""Bad input, through the whole pipeline: one sentence, no value, nothing half-written."""

from __future__ import annotations

import json
import pickle
import re
import signal
import subprocess
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from tests.dicom.corpus import BUNDLED
from tests.pipeline.conftest import HTML, Resumed
from tests.pipeline.tiny import ADDRESS, CANARY, PEOPLE, Tiny, make_tiny, mrn, ward

from sluice.dicom.reader import read
from sluice.errors import SluiceError
from sluice.files import read_json
from sluice.identity import Vault

Mutation = Callable[[Tiny], None]
POLICY, RELEASE = "config/policies/tiny.yaml", "config/releases/tiny/v1.yaml"


def raw(change: Callable[[bytes], bytes], name: str = "people.csv") -> Mutation:
    """Change the bytes of a raw file."""

    def mutate(tiny: Tiny) -> None:
        (tiny.raw / name).write_bytes(change((tiny.raw / name).read_bytes()))

    return mutate


def edit(file: str, old: str, new: str) -> Mutation:
    """Change one place of a configuration file."""
    return lambda tiny: tiny.edit(tiny.home / file, old, new)


def cell(row: int, column: str, value: str, table: str = "people.csv") -> Mutation:
    """Change one cell."""
    return lambda tiny: tiny.set_cell(table, row, column, value)


def missing(tiny: Tiny) -> None:
    (tiny.raw / "people.csv").unlink()


def symlink(tiny: Tiny) -> None:
    (tiny.raw / "people.csv").rename(tiny.home / "people.csv")
    (tiny.raw / "people.csv").symlink_to(tiny.home / "people.csv")


def archive(tiny: Tiny) -> None:
    text = (tiny.raw / "people.csv").read_text()
    with zipfile.ZipFile(tiny.raw / "people.csv", "w") as packed:
        packed.writestr("people.csv", text)


def pickled(tiny: Tiny) -> None:
    (tiny.raw / "people.csv").write_bytes(pickle.dumps(tiny.rows("people.csv")))


def truncated_parquet(tiny: Tiny) -> None:
    pd.DataFrame(tiny.rows("people.csv")).to_parquet(tiny.raw / "people.parquet")
    edit("config/cohorts/tiny.yaml", "file: people.csv", "file: people.parquet")(tiny)
    raw(lambda whole: whole[: len(whole) // 2], "people.parquet")(tiny)


def truncated_workbook(tiny: Tiny) -> None:
    book = openpyxl.Workbook()
    rows = tiny.rows("people.csv")
    for row in [list(rows[0]), *(list(r.values()) for r in rows)]:
        book.worksheets[0].append(row)
    book.save(tiny.raw / "people.xlsx")
    edit("config/cohorts/tiny.yaml", "file: people.csv", "file: people.xlsx")(tiny)
    raw(lambda whole: whole[: len(whole) // 2], "people.xlsx")(tiny)


def two_participants_of_one_alias(tiny: Tiny) -> None:
    rows = tiny.rows("links.csv")
    tiny.write("links.csv", [*rows, {"ward_id": ward(0), "mrn": mrn(1)}])


def contradiction(tiny: Tiny) -> None:
    rows = tiny.rows("people.csv")
    tiny.write("people.csv", [*rows, {**rows[0], "smoking": f"{CANARY} pipe"}])


def wrong_type(tiny: Tiny) -> None:
    rows = tiny.rows("people.csv")
    tiny.write("people.csv", [row | {"birth_date": f"{CANARY}-date"} for row in rows])


def new_column(tiny: Tiny) -> None:
    rows = tiny.rows("people.csv")
    tiny.write("people.csv", [row | {f"{CANARY}-column": f"{CANARY}-cell"} for row in rows])


def open_key(tiny: Tiny) -> None:
    (tiny.home / "vault").mkdir(mode=0o700)
    Vault(tiny.home / "vault" / "tiny", "tiny")
    (tiny.home / "vault/tiny/keys/master.key").chmod(0o640)


def no_raw_folder(tiny: Tiny) -> None:
    tiny.raw.rename(tiny.home / "gone")


def git_tree(tiny: Tiny) -> None:
    (tiny.home / ".git").mkdir()


SOURCE = r"\(source people\.csv"
#: Stopped by the stage that reads the raw tables; here its script is run by hand.
BY_HAND: dict[str, tuple[Mutation, str]] = {
    "an empty file": (raw(lambda _: b""), rf"A source is empty {SOURCE}\)"),
    "a header without rows": (raw(lambda b: b.split(b"\n")[0] + b"\n"), rf"no rows {SOURCE}\)"),
    "a truncated Parquet file": (truncated_parquet, r"damaged \(source people\.parquet\)"),
    "a truncated workbook": (truncated_workbook, r"damaged \(source people\.xlsx\)"),
    "a doubled column name": (
        raw(lambda b: b.replace(b"diagnosis", b"country", 1)), rf"same name {SOURCE}, column 6\)"),
    "a text that is not UTF-8": (
        raw(lambda b: b.replace(b"stable", b"stab\xff\xfe", 1)), rf"not UTF-8 text {SOURCE}\)"),
    "a NUL byte": (
        raw(lambda b: b.replace(b"stable", b"sta\0le", 1)), rf"NUL {SOURCE}, row 2, column 10\)"),
    "an oversized cell": (
        cell(4, "note", CANARY * 20_000), rf"100,000 .*{SOURCE}, row 6, column 10"),
    "an archive named as a table": (archive, rf"refused: archive {SOURCE}\)"),
}  # fmt: skip
#: Stopped by a stage, in the whole pipeline.
STAGES: dict[str, tuple[Mutation, str]] = {
    "a missing file": (missing, rf"A source is missing {SOURCE}\)"),
    "a file cut off in a cell": (raw(lambda b: b[:-30]), rf"A row has .* {SOURCE}, row 73\)"),
    "a formula cell": (cell(3, "note", f" =cmd|' /C {CANARY}'!A0"), rf"formula {SOURCE}, row 5,"),
    "a symlinked source": (symlink, rf"symbolic link {SOURCE}\)"),
    "a pickle named as a table": (pickled, rf"refused: pickle {SOURCE}\)"),
    "an unclassified column": (new_column, rf"not classified {SOURCE}, column 11\)"),
    "an unknown consent code": (
        cell(7, "code", f"{CANARY}-code", "consent.csv"), r"no meaning .*consent\.csv, row 9\)"),
    "an alias of two participants": (
        two_participants_of_one_alias, r"two participants \(source links\.csv, row 74\)"),
    "a column of another type": (wrong_type, rf"cannot be read as date {SOURCE}, column `birth_d"),
    "a participant who contradicts himself": (contradiction, r"twice .*people\.smoking, 1 partic"),
    "a key that others can read": (open_key, r"master key can be read by others; run `chmod 700`"),
    "a policy field that the cohort lacks": (
        edit("config/cohorts/tiny.yaml", ", field: height_cm, type: number", ""),
        r"field that the cohort does not have \(tier controlled, field people\.height_cm\)"),
}  # fmt: skip
#: Told by the command itself: the configuration.
EARLY: dict[str, tuple[Mutation, str]] = {
    "YAML with an object": (
        edit("config/cohorts/tiny.yaml", "title: A tiny cohort",
             f"title: !!python/object/apply:os.system ['touch {CANARY}']"),
        r"YAML tag .*tiny\.yaml, line 3, key `title`"),
    "wrongly indented YAML": (
        edit("config/cohorts/tiny.yaml", "  file: consent.csv", "      file: consent.csv"),
        r"not valid YAML \(tiny\.yaml, line \d+\)"),
    "an unknown role": (
        edit("config/cohorts/tiny.yaml", "mrn: {role: direct", "mrn: {role: identifier"),
        r"columns\.mrn\.role"),
    "a path that leaves the raw folder": (
        edit("config/cohorts/tiny.yaml", "file: people.csv", "file: ../../config/config.yaml"),
        r"inside the cohort's raw folder.*sources\[1\]\.file"),
    "a consent path that leaves the raw folder": (
        edit("config/cohorts/tiny.yaml", "file: consent.csv", "file: ../consent.csv"),
        r"inside the cohort's raw folder.*consent\.file"),
    "an unknown tier": (
        edit(RELEASE, "tiers: [controlled]", "tiers: [open]"), r"tiers\[1\]"),
    "an unknown key of the policy": (
        edit(POLICY, "    people:\n", "    poeple:\n"), r"did you mean `people`"),
    "a missing policy": (edit(RELEASE, "policy: tiny", "policy: best"), r"there is: default, tiny"),
    "a quasi-identifier under a wrong name": (
        edit(POLICY, "node: {age: 2}}", "node: {age: 2}}\n      quasi: [agee, age]"),
        r"in people, released fields .* not agee"),
    "free text that is kept as it is": (
        edit(POLICY, "    people:\n", "    modalities:\n      clinical:\n        fields:\n"
             "          people.note: {rule: keep}\n    people:\n"),
        r"Free text may only be released by rule text"),
    "no raw folder": (no_raw_folder, r"no raw folder \(raw/tiny\)"),
    "a vault in a git tree": (git_tree, r"inside a git tree"),
}  # fmt: skip


ALL = BY_HAND | STAGES | EARLY


@dataclass(frozen=True)
class Outcome:
    """What a run with a bad input said, and where it ran."""

    tiny: Tiny
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Run each bad input once, some at a time."""
    homes = {name: tmp_path_factory.mktemp("bad") for name in ALL}

    def one(name: str) -> Outcome:
        tiny = make_tiny(homes[name])
        ALL[name][0](tiny)
        return Outcome(tiny, tiny.script("intake") if name in BY_HAND else tiny.run())

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(homes, pool.map(one, homes), strict=True))


def temporary(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if re.search(r"\.(new|old)-|\.tmp$", p.name)]


def assert_nothing_leaks(tiny: Tiny, done: subprocess.CompletedProcess[str]) -> None:
    assert CANARY not in done.stdout + done.stderr
    for root in (tiny.base / "logs", tiny.home / ".snakemake"):
        for path in root.rglob("*"):
            if path.is_file():
                assert CANARY.encode() not in path.read_bytes(), path.name
            assert CANARY not in path.name
    for path in (tiny.home / "work").rglob("*.json"):
        assert CANARY not in path.read_text(), path.name


def assert_whole(tiny: Tiny) -> None:
    """No temporary name is left, and no index without all the files that it lists."""
    for root in (tiny.home / "work", tiny.home / "vault", tiny.home / "store"):
        assert temporary(root) == []
    for index in (tiny.home / "work").rglob("*.index.json"):
        folder = index.with_name(index.name.removesuffix(".index.json"))
        listed = {file["path"]: file["bytes"] for file in json.loads(index.read_text())["files"]}
        there = {p.relative_to(folder).as_posix(): p.stat().st_size
                 for p in folder.rglob("*") if p.is_file()}  # fmt: skip
        assert listed == there, index


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 24 and len(STAGES) >= 12
    assert len(ALL) == len(BY_HAND) + len(STAGES) + len(EARLY)


@pytest.mark.parametrize("name", ALL)
def test_a_bad_input_is_one_sentence_without_a_value_and_leaves_nothing_half_written(
    outcomes: dict[str, Outcome], name: str
) -> None:
    tiny, done = outcomes[name].tiny, outcomes[name].done
    errors = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    errors = [line for line in errors if line and "new vault was made" not in line]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1 and errors[0].startswith("error: ") and errors[0].endswith(".")
    assert re.search(ALL[name][1], errors[0]), errors[0]
    assert "internal fault" not in errors[0] and "Traceback" not in done.stderr
    assert_nothing_leaks(tiny, done)
    assert_whole(tiny)
    assert not (tiny.base / "controlled" / "candidate").exists()
    assert not list(tiny.home.rglob("seal.json"))
    if name in STAGES:
        assert "resume with `sluice run tiny/v1`" in errors[0]
    elif name in EARLY:
        assert not list(tiny.home.rglob("*.parquet")), "nothing ran"
        assert not (tiny.home / CANARY).exists()


# --- one good run ---


def test_a_second_run_at_the_same_time_says_so_and_does_nothing(resumed: Resumed) -> None:
    assert resumed.second.returncode == 2
    assert resumed.second.stderr.startswith("error: Another run is at work")
    assert resumed.second.stderr.count("\n") == 1


def test_a_killed_run_is_finished_by_the_next(resumed: Resumed) -> None:
    assert resumed.first_exit == -signal.SIGKILL
    assert any(path.startswith("curate/") for path in resumed.before)
    assert not any("candidate" in path for path in resumed.before)
    assert resumed.rerun.returncode == 0, resumed.rerun.stderr
    assert read_json(resumed.tiny.base / "controlled" / "gates.json")["verdict"] == "pass"
    assert read_json(resumed.tiny.base / "controlled" / "seal.json")["residual_hits"] == 0
    assert_whole(resumed.tiny)


def test_no_value_is_in_any_message_log_record_or_snakemake_file(resumed: Resumed) -> None:
    assert CANARY in (resumed.tiny.raw / "people.csv").read_text()
    assert_nothing_leaks(resumed.tiny, resumed.rerun)


def test_who_did_not_consent_or_withdrew_is_not_in_the_bundle(resumed: Resumed) -> None:
    data = resumed.tiny.base / "controlled/candidate/data/clinical"
    people, visits = (pd.read_parquet(data / f"{n}.parquet") for n in ("people", "visits"))
    assert len(people) == PEOPLE - 2
    assert set(visits["person"]) <= set(people["person"])
    vault = Vault(resumed.tiny.home / "vault" / "tiny", "tiny")
    maps = vault.pseudonyms("core", "controlled", "series")
    persons = [maps.person(vault.subject(mrn(n))) for n in range(PEOPLE)]
    assert not set(persons[:2]) & set(people["person"])
    assert set(persons[2:]) == set(people["person"])


def test_html_in_a_value_is_in_no_page(resumed: Resumed) -> None:
    assert (resumed.tiny.raw / "people.csv").read_text().count(HTML) == 2
    pages = [
        path
        for path in resumed.tiny.base.rglob("*")
        if path.suffix in (".html", ".md", ".csv", ".json", ".log", ".svg") and path.is_file()
    ]
    assert {".html", ".md"} <= {p.suffix for p in pages}
    assert not [p.name for p in pages if "<script>alert" in p.read_text()]


def test_everything_restricted_is_private(resumed: Resumed) -> None:
    for root in (resumed.tiny.home / "work", resumed.tiny.home / "vault"):
        for path in [root, *root.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path


def test_after_a_finished_run_there_is_nothing_to_do(resumed: Resumed) -> None:
    done = resumed.tiny.sluice("run", ADDRESS, "--dry-run", "--cores", "1")
    assert done.returncode == 0
    assert (done.stdout + done.stderr).count("Nothing to be done") == 2


# --- DICOM, which the tiny cohort has none of ---

CT = (BUNDLED / "CT_small.dcm").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MZ" + CT[2:], "starts as a program does"),
        (b"\x7fELF" + CT[4:], "starts as a program does"),
        (b"#!/bin/sh\n" + CT[10:], "starts as a program does"),
        (CT[: len(CT) // 2], "A DICOM file"),
        (CT[:200], "A DICOM file"),
        (b"", "is empty"),
        (CANARY.encode() * 100, "not DICOM"),
    ],
    ids=["Windows program", "Linux program", "script", "half", "head", "empty", "text"],
)
def test_a_hostile_or_truncated_dicom_file_is_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    with pytest.raises(SluiceError, match=said) as told:
        read(path)
    assert CANARY not in str(told.value)
