"""The commands around a run: they say what stands where, and change only what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.pipeline.tiny import ADDRESS, CANARY, Tiny, make_tiny

from sluice.cli import _COMMANDS, sluice
from sluice.cli.run import _take_listing, disk_needed
from sluice.cli.setup import checks
from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.identity import Vault


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    made = make_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_CONFIG", str(made.config))
    return made


def call(*words: str) -> Result:
    return CliRunner().invoke(sluice, list(words), catch_exceptions=True)


def refused(*words: str) -> str:
    result = call(*words)
    assert isinstance(result.exception, SluiceError), result.output
    assert CANARY not in str(result.exception)
    return str(result.exception)


def test_the_command_starts_without_the_library() -> None:
    """Whoever mistypes an option need not wait for pandas."""
    code = "import sys, sluice.cli; print([m for m in ('pandas', 'pydicom') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_a_help_page_and_stands_in_the_list() -> None:
    listed = call("--help").output
    for name in _COMMANDS:
        assert f"  {name} " in listed
        assert call(name, "--help").exit_code == 0
    assert call("publisch").exit_code == 2
    assert "No such command" in call("publisch").output


def test_init_makes_a_configuration_that_loads_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert call("init", str(folder)).exit_code == 0
    Config.load(folder / "config.yaml", "demo/2026q1")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert "not empty" in refused("init", str(folder))
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_doctor_names_what_to_mend(tiny: Tiny) -> None:
    vault = tiny.home / "vault"
    vault.mkdir(mode=0o700)
    Vault(vault / "tiny", "tiny")
    fine = {line for good, line in checks(tiny.config, ADDRESS) if good}
    assert any("keys/master.key" in line for line in fine)
    assert any("GB free" in line for line in fine)
    (vault / "tiny/keys/master.key").chmod(0o644)
    vault.chmod(0o755)
    (tiny.home / "work" / ".git").mkdir(parents=True)
    bad = [line for good, line in checks(tiny.config, ADDRESS) if good is False]
    assert len(bad) == 3
    assert any("git tree" in line for line in bad)
    assert any("chmod 700" in line for line in bad)
    assert any("must have mode 0600" in line for line in bad)
    assert "3 things to mend" in refused("doctor", "--release", ADDRESS)


def test_explain_tells_rule_role_and_silence(tiny: Tiny) -> None:
    told = call("explain", "people.postcode", ADDRESS).output
    assert "controlled" in told and "zip3" in told and "role quasi" in told
    assert "dropped everywhere" in call("explain", "room", ADDRESS).output
    assert "check its spelling" in refused("explain", "postcoed", ADDRESS)


def test_inventory_suggests_roles_without_showing_a_cell(tiny: Tiny) -> None:
    tiny.edit(tiny.cohort, "          room: {role: free_text}\n", "")
    tiny.edit(tiny.cohort, "          name: {role: direct, kind: name}\n", "")
    result = call("inventory", "tiny")
    assert "name: {role: direct}" in result.output and "room: {role:" in result.output
    assert "2 columns without a role" in result.output
    assert CANARY not in result.output


def test_status_says_how_to_go_on(tiny: Tiny) -> None:
    assert f"not built; run `sluice run {ADDRESS}`" in call("status", ADDRESS).output


def test_a_tier_or_bundle_that_does_not_exist_is_told(tiny: Tiny) -> None:
    key = str(tiny.home / "key")
    said = refused("approve", ADDRESS, "--role", "x", "--key", key, "--tier", "public")
    assert "it has: controlled" in said
    assert "it has: controlled" in refused("publish", ADDRESS, "--tier", "public")
    assert "no such bundle" in refused("verify", str(tiny.home / "nowhere"))
    assert "choose one of" in refused("run", ADDRESS, "--profile", "none-such")


def test_clean_asks_and_leaves_vault_and_store(tiny: Tiny) -> None:
    assert "nothing to clean" in call("clean", ADDRESS).output
    write_json(tiny.base / "listing.json", {})
    Vault(tiny.home / "vault" / "tiny", "tiny")
    (tiny.home / "store").mkdir()
    assert CliRunner().invoke(sluice, ["clean", ADDRESS], input="n\n").exit_code == 1
    assert tiny.base.exists()
    assert call("clean", ADDRESS, "--yes").exit_code == 0
    assert not tiny.base.exists()
    assert (tiny.home / "vault/tiny/keys/master.key").exists() and (tiny.home / "store").exists()


def test_a_modality_that_the_policy_is_silent_on_is_told_before_anything_runs(tiny: Tiny) -> None:
    text = tiny.cohort.read_text()
    source = "{file: spots.csv, table: samples}"
    tiny.cohort.write_text(f"{text}  spatial:\n    sources: [{source}]\n")
    said = refused("run", ADDRESS)
    assert "says nothing about a modality" in said and "spatial" in said
    assert not (tiny.home / "work").exists()


def test_the_estimate_of_disk_grows_with_raw_and_individual_tiers() -> None:
    assert disk_needed(10**9, 2) == disk_needed(10**9, 1) < disk_needed(10**9, 3)
    assert disk_needed(2 * 10**9, 3) > 2 * 10**9


def test_a_listing_takes_names_that_are_not_utf8(tiny: Tiny) -> None:
    config = Config.load(tiny.config, ADDRESS)
    (tiny.base).mkdir(parents=True)
    _take_listing(config)
    before = config.layout.listing.read_text()
    _take_listing(config)
    assert config.layout.listing.read_text() == before
    os.close(os.open(bytes(tiny.raw) + b"/caf\xe9", os.O_CREAT | os.O_WRONLY))
    _take_listing(config)
    assert config.layout.listing.read_text() != before
