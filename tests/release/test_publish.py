from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.release.world import ROLES, World, write_config

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import folder_index, read_json
from sluice.governance.approvals import approve
from sluice.ledger.chain import Ledger
from sluice.release.publish import publish
from sluice.release.verify import verify

TIER = "controlled"
STEPS = (
    "stage",
    "_copy",
    "check_staged",
    "keep_groups",
    "reveal",
    "record_in_ledger",
    "write_releases",
    "write_verifier",
    "write_catalogue",
)

# Runs `publish` with one of its steps replaced: the process kills itself there. Argument `after`
# lets the step run first; `_copy` is stopped in the middle of the bundle.
_CHILD = """
import os, signal, sys
from pathlib import Path
from sluice.config import Config
from sluice.release import publish as module
config, step, moment = sys.argv[1:]
original, calls = getattr(module, step), []
def killed(*arguments):
    calls.append(1)
    if step == "_copy" and len(calls) < 4:
        return original(*arguments)
    if moment == "after":
        original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, step, killed)
module.publish(Config.load(Path(config), "world/v1"), "controlled")
"""


@pytest.fixture
def approved(world: World) -> World:
    prepare(world)
    return world


def prepare(world: World) -> None:
    world.build()
    world.seal()
    for role in ROLES:
        approve(world.config, TIER, role, world.key(role))


def publications(world: World) -> int:
    with Ledger.open(world.layout.ledger) as ledger:
        return len(ledger.rows("publish"))


def test_publishing_puts_the_candidate_into_the_store(approved: World) -> None:
    assert publish(approved.config, TIER) == "published"
    target, store = approved.layout.published(TIER), approved.layout.store
    assert folder_index(target / "bundle") == folder_index(approved.candidate())
    assert verify(target / "bundle") == []
    assert {p.name for p in (target / "approvals").iterdir()} == {
        f"{role}.{ending}" for role in ROLES for ending in ("sig", "json")
    }
    record = read_json(target / "release.json")
    assert record["state"] == "published"
    assert [p["name"] for p in record["products"]] == ["clinical_table", "gene_matrix", "studies"]
    assert record["dropped"] == [{"name": "group_means", "reason": "the attack comes later"}]
    assert read_json(store / "releases.json") == [record]
    assert "World, first" in (store / "index.html").read_text()
    assert not list(store.glob(".staging*"))
    assert publications(approved) == 1


def test_published_files_are_copies_that_nobody_can_write(approved: World) -> None:
    publish(approved.config, TIER)
    file = approved.layout.published(TIER) / "bundle/README.md"
    assert file.stat().st_mode & 0o777 == 0o444
    assert not os.path.samefile(file, approved.candidate() / "README.md")


def test_the_shipped_verifier_checks_bundle_and_signatures(approved: World) -> None:
    publish(approved.config, TIER)
    bundle = approved.layout.published(TIER) / "bundle"
    command = [sys.executable, "-I", "-S", str(approved.layout.store / "verify.py"), str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("signed for") == 2
    signature = bundle.parent / "approvals" / f"{ROLES[0]}.sig"
    signature.chmod(0o644)
    signature.write_bytes((bundle.parent / "approvals" / f"{ROLES[1]}.sig").read_bytes())
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"approvals/{ROLES[0]}.sig: is not a valid signature." in done.stderr


def test_the_same_bytes_again_say_so_and_change_nothing(approved: World) -> None:
    publish(approved.config, TIER)
    before = folder_index(approved.layout.store)
    assert publish(approved.config, TIER) == "already published"
    assert folder_index(approved.layout.store) == before
    assert publications(approved) == 1


def test_an_unsigned_candidate_is_refused_and_the_store_stays_empty(world: World) -> None:
    world.build()
    world.seal()
    with pytest.raises(SluiceError, match=r"not approved: role data-manager has not signed"):
        publish(world.config, TIER)
    assert not world.layout.published(TIER).exists()


def test_an_altered_candidate_is_refused(approved: World) -> None:
    (approved.candidate() / "TERMS.md").write_text("do as you like")
    with pytest.raises(SluiceError, match="altered after it was sealed"):
        publish(approved.config, TIER)
    assert not approved.layout.published(TIER).exists()


def test_other_bytes_for_a_published_version_are_refused(approved: World) -> None:
    publish(approved.config, TIER)
    before = folder_index(approved.layout.store)
    approved.rows = [row | {"description": "another"} for row in approved.rows]
    prepare(approved)
    with pytest.raises(SluiceError, match="make a new version"):
        publish(approved.config, TIER)
    assert folder_index(approved.layout.store) == before


def test_a_damaged_published_bundle_is_not_called_published(approved: World) -> None:
    publish(approved.config, TIER)
    file = approved.layout.published(TIER) / "bundle/README.md"
    file.chmod(0o644)
    file.write_text("x")
    with pytest.raises(SluiceError, match="damaged"):
        publish(approved.config, TIER)


def test_the_public_record_holds_nothing_that_was_measured(world: World) -> None:
    world.build("public")
    world.seal("public")
    approve(world.config, "public", "privacy-officer", world.key("privacy-officer"))
    publish(world.config, "public")
    record = read_json(world.layout.published("public") / "release.json")
    assert "gates" not in record
    assert "tissue" not in json.dumps(record)
    assert record["dropped"] == []


def test_a_new_version_marks_the_one_that_it_supersedes(approved: World, tmp_path: Path) -> None:
    publish(approved.config, TIER)
    keys = {p.stem: p.read_text().strip() for p in (tmp_path / "keys").glob("*.pub")}
    file = write_config(tmp_path, keys, "v2")
    release = file.parent / "releases/world/v2.yaml"
    release.write_text(release.read_text() + "supersedes: v1\n")
    second = World(Config.load(file, "world/v2"), tmp_path, approved.rows)
    second.layout.base.parent.mkdir(parents=True, exist_ok=True)
    approved.layout.base.rename(second.layout.base)
    approved.layout.vault_release.rename(second.layout.vault_release)
    gates = second.layout.gates(TIER)
    gates.write_text(gates.read_text().replace('"v1"', '"v2"'))
    prepare(second)
    publish(second.config, TIER)
    first, newer = read_json(second.layout.store / "releases.json")
    assert (first["state"], first["replaced_by"]) == ("superseded", "v2")
    assert (newer["state"], newer["supersedes"]) == ("published", "v1")
    assert verify(approved.layout.published(TIER) / "bundle") == []


@pytest.mark.parametrize(
    ("step", "moment"), [*((step, "before") for step in STEPS), ("write_catalogue", "after")]
)
def test_kill_nine_leaves_the_store_before_or_after_and_the_next_run_finishes(
    approved: World, step: str, moment: str
) -> None:
    command = [sys.executable, "-c", _CHILD, str(approved.config.file), step, moment]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    target, store = approved.layout.published(TIER), approved.layout.store
    appeared = STEPS.index(step) > STEPS.index("reveal")
    assert target.exists() == appeared
    if appeared:
        assert verify(target / "bundle") == []
        assert (target / "release.json").is_file()
    else:
        assert not (store / "releases.json").exists()
        assert publications(approved) == 0
    assert publish(approved.config, TIER) == ("already published" if appeared else "published")
    assert verify(target / "bundle") == []
    assert len(read_json(store / "releases.json")) == 1
    assert (store / "index.html").is_file()
    assert not list(store.glob(".staging*"))
    assert publications(approved) == 1


def test_a_bundle_of_individual_records_is_not_open_to_every_account(approved: World) -> None:
    publish(approved.config, TIER)
    folder = approved.config.layout.published(TIER)
    assert (folder / "bundle").stat().st_mode & 0o777 == 0o750
    assert (folder / "release.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tier": "public"}, "names another release"),
        ({"digests": {"gates": "0" * 64}}, "says something else"),
        ({"bundle_digest": "0" * 64}, "names another bundle"),
    ],
)
def test_a_release_record_that_differs_from_what_was_signed_is_noticed(
    approved: World, change: dict[str, object], says: str
) -> None:
    publish(approved.config, TIER)
    folder = approved.config.layout.published(TIER)
    record = read_json(folder / "release.json") | change
    (folder / "release.json").write_text(json.dumps(record))
    assert any(says in problem for problem in verify(folder / "bundle"))


def test_a_missing_signature_and_an_added_folder_are_noticed(approved: World) -> None:
    publish(approved.config, TIER)
    folder = approved.config.layout.published(TIER)
    for path in (folder / "approvals").glob(f"{ROLES[0]}.*"):
        path.unlink()
    assert any("is missing" in problem for problem in verify(folder / "bundle"))
    (folder / "bundle/data/somebody").mkdir()
    assert any("not listed" in problem for problem in verify(folder / "bundle"))
