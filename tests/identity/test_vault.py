"""The vault: private or refused, one key whoever makes it first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.pipeline.tiny import ADDRESS, Tiny, make_tiny

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files.tables import read_table, write_table
from sluice.identity import Vault, refuse_git_tree
from sluice.jobs import Job


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def key_file(folder: Path) -> Path:
    return folder / "keys" / "master.key"


def test_a_new_vault_is_private_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "vault" / "demo"
    before = os.umask(0)
    try:
        Vault(folder, "demo")
    finally:
        os.umask(before)
    assert {mode(folder.parent), mode(folder), mode(folder / "keys")} == {0o700}
    assert mode(key_file(folder)) == 0o600 and key_file(folder).stat().st_size == 32
    assert [p.name for p in (folder / "keys").iterdir()] == ["master.key"]
    assert "back it up" in capsys.readouterr().err
    Vault(folder, "demo")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, bits: int) -> None:
    Vault(tmp_path / "vault" / "demo", "demo")
    key_file(tmp_path / "vault" / "demo").chmod(bits)
    with pytest.raises(SluiceError, match=r"master key can be read by others.*chmod"):
        Vault(tmp_path / "vault" / "demo", "demo")


@pytest.mark.parametrize("place", ["vault", "vault/demo", "vault/demo/keys"])
def test_a_folder_that_others_can_read_is_refused(tmp_path: Path, place: str) -> None:
    Vault(tmp_path / "vault" / "demo", "demo")
    (tmp_path / place).chmod(0o750)
    with pytest.raises(SluiceError, match="vault can be read by others"):
        Vault(tmp_path / "vault" / "demo", "demo")


@pytest.mark.parametrize("place", ["vault", "vault/demo", "vault/demo/keys/master.key"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_symbolic_link_is_refused(tmp_path: Path, place: str, dangling: bool) -> None:
    Vault(tmp_path / "vault" / "demo", "demo")
    real = tmp_path / "elsewhere"
    (tmp_path / place).rename(real)
    (tmp_path / place).symlink_to(tmp_path / "nowhere" if dangling else real)
    with pytest.raises(SluiceError, match="is a symbolic link"):
        Vault(tmp_path / "vault" / "demo", "demo")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    Vault(tmp_path / "vault" / "demo", "demo")
    key_file(tmp_path / "vault" / "demo").write_bytes(b"k" * size)
    with pytest.raises(SluiceError, match="restore it from the backup"):
        Vault(tmp_path / "vault" / "demo", "demo")


def test_a_git_tree_is_refused_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "checkout")
    (tmp_path / "worktree").mkdir()
    (tmp_path / "worktree" / ".git").write_text("gitdir: elsewhere")
    for place in ("checkout/a/b", "link/a", "worktree"):
        with pytest.raises(SluiceError, match=r"work lies inside a git tree.*config.yaml"):
            refuse_git_tree(tmp_path / place, "work")
    refuse_git_tree(tmp_path / "free" / "a", "work")
    with pytest.raises(SluiceError, match="git tree"):
        Vault(tmp_path / "link" / "vault" / "demo", "demo")
    assert not (tmp_path / "checkout" / "vault").exists()


_RACE = """
import sys
from pathlib import Path
from sluice.identity import Vault
sys.stdin.read(1)
print(Vault(Path(sys.argv[1]), "demo").subject("one"))
"""


def test_two_processes_that_make_the_vault_at_once_agree_on_one_key(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, str(tmp_path / "vault" / "demo")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:  # both have imported everything before either starts
        assert racer.stdin is not None
        racer.stdin.write("x")
        racer.stdin.flush()
    said = {racer.communicate()[0] for racer in racers}
    assert all(racer.returncode == 0 for racer in racers)
    assert said == {Vault(tmp_path / "vault" / "demo", "demo").subject("one") + "\n"}
    assert [p.name for p in (tmp_path / "vault/demo/keys").iterdir()] == ["master.key"]


def test_a_table_is_only_written_below_the_vault(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault" / "demo", "demo")
    with pytest.raises(SluiceError, match="only lie in the vault"):
        write_table(vault.place(tmp_path / "work" / "people.parquet"), pd.DataFrame({"x": ["a"]}))
    path = vault.folder / "v1" / "people.parquet"
    write_table(vault.place(path), pd.DataFrame({"x": ["a"]}))
    assert read_table(path)["x"].tolist() == ["a"]
    assert mode(path.parent) == 0o700


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make_tiny(tmp_path)


def test_everything_differs_between_cohorts_projects_tiers_scopes_and_vaults(tiny: Tiny) -> None:
    def people(home: str, cohort: str, *place: str) -> str:
        vault = Vault(tiny.home / home / cohort, cohort)
        maps = vault.pseudonyms(*place)
        return " ".join((maps.person("s"), maps.item("s"), maps.uid("s"), vault.subject("s")))

    base = ("va", "demo", "core", "controlled", "series")
    assert people(*base) == people(*base)
    found = [people(*base)]
    for position, other in enumerate(("vb", "other", "side", "registered", "v1")):
        found.append(people(*base[:position], other, *base[position + 1 :]))
    parts = [set(text.split()[:3]) for text in found]
    assert all(not a & b for i, a in enumerate(parts) for b in parts[i + 1 :])


def test_a_participant_has_one_shift_in_all_modalities_and_releases_of_a_series(
    tiny: Tiny,
) -> None:
    config = Config.load(tiny.config, ADDRESS)

    def shifts(modality: str) -> list[int]:
        maps = Job(config, "apply", "controlled", modality).pseudonyms()
        return [maps.shift(f"s{n}") for n in range(50)]

    first, *others = (shifts(m) for m in ("clinical", "bulk", "singlecell", "imaging"))
    assert all(other == first for other in others)
    assert len(set(first)) > 30
