"""A rule's code digest changes when, and only when, code changes that the rule can run."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sluice import code
from sluice.code import (
    ADAPTER_MODULES,
    SHARED_MODULES,
    adapters_of,
    closure,
    code_digest,
    resources_of,
    script_path,
)
from sluice.errors import SluiceError
from sluice.modalities import load
from sluice.resources import shipped

SCRIPTS = sorted(p.stem for p in (shipped() / "workflow" / "scripts").glob("*.py"))
MODALITIES = sorted(p.parent.name for p in (code.PACKAGE / "modalities").glob("*/inventory.py"))
PAIRS = [(s, m) for s in SCRIPTS for m in (MODALITIES if s in ADAPTER_MODULES else [None])]

_EDITS = """
import json, sys
from pathlib import Path
from sluice import code
scripts, modalities, edits = json.loads(sys.argv[1])

def digests():
    for cached in (code.closure, code.code_digest):
        cached.cache_clear()
    return {f"{s} {m}": code.code_digest(s, *([m] if m else [])) for s, m in scripts}

assert str(code.PACKAGE).startswith(sys.argv[2]), code.PACKAGE
before, changed = digests(), {}
for edit in edits:
    path = Path(sys.argv[2]) / "workflow" / edit
    text = path.read_bytes()
    path.write_bytes(text + b"# edited\\n")
    changed[edit] = [k for k, v in digests().items() if before[k] != v]
    path.write_bytes(text)
assert digests() == before
print(json.dumps(changed))
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[str, str]]]:
    """Which (script, adapter) digests an edit of a file changes, in a copy of the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    keep = shutil.ignore_patterns("__pycache__")
    shutil.copytree(shipped() / "workflow", copy / "workflow", ignore=keep)
    (copy / "resources").symlink_to(shipped() / "resources")
    edits = [
        "sluice/modalities/clinical/curate.py", "sluice/modalities/clinical/apply.py",
        "sluice/modalities/clinical/describe.py", "sluice/modalities/clinical/scenarios.py",
        "sluice/modalities/clinical/contribute.py", "sluice/modalities/clinical/utility.py",
        "sluice/modalities/shared/rawtables.py", "sluice/tables/recode.py",
        "sluice/dp/mechanisms.py", "sluice/release/seal.py", "sluice/gates/judge.py",
        "sluice/errors.py", "sluice/identity/pseudonyms.py", "sluice/config/policy.py",
        "sluice/cli/run.py", "scripts/curate.py", "rules/curate.smk",
    ]  # fmt: skip
    asked = json.dumps([PAIRS, MODALITIES, edits])
    done = subprocess.run(
        [sys.executable, "-c", _EDITS, asked, str(copy)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(copy / "workflow"), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return {e: {tuple(k.split()) for k in found} for e, found in json.loads(done.stdout).items()}


def scripts(found: set[tuple[str, str]]) -> set[str]:
    return {script for script, _ in found}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("curate", {"curate"}),
        ("describe", {"bundle"}),
        ("contribute", {"dp_measure"}),
        ("utility", {"score"}),
    ],
)
def test_an_adapter_module_changes_the_one_script_that_loads_it(changed, edit, expected) -> None:
    found = changed[f"sluice/modalities/clinical/{edit}.py"]
    assert scripts(found) == expected
    assert "clinical" in {modality for _, modality in found}
    if edit == "curate":
        assert {modality for _, modality in found} == {"clinical"}


def test_an_attack_changes_no_stage_before_score(changed) -> None:
    assert scripts(changed["sluice/modalities/clinical/scenarios.py"]) == {"score"}


def test_a_module_changes_exactly_the_scripts_that_reach_it(changed) -> None:
    assert scripts(changed["scripts/curate.py"]) == {"curate"}
    assert scripts(changed["sluice/errors.py"]) == set(SCRIPTS)
    assert scripts(changed["sluice/config/policy.py"]) == set(SCRIPTS)
    assert changed["sluice/cli/run.py"] == changed["rules/curate.smk"] == set()
    assert scripts(changed["sluice/release/seal.py"]) == {"bundle"}
    assert "deidentify_plan" in scripts(changed["sluice/tables/recode.py"])
    assert not {"intake", "curate", "minimize"} & scripts(changed["sluice/tables/recode.py"])
    assert {"intake", "curate"} <= scripts(changed["sluice/modalities/shared/rawtables.py"])
    assert "dp_measure" in scripts(changed["sluice/dp/mechanisms.py"])
    assert not {"intake", "curate", "deidentify_apply"} & scripts(
        changed["sluice/dp/mechanisms.py"]
    )


def test_every_module_that_code_loads_by_name_is_in_the_table() -> None:
    """`load(modality, "name")` shows in no import: ADAPTER_MODULES must name each of them."""
    for script in SCRIPTS:
        called = {
            call.args[1].value
            for path in closure(script)
            for call in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(call, ast.Call)
            and getattr(call.func, "id", "") == "load"
            and len(call.args) == 2
            and isinstance(call.args[1], ast.Constant)
        }
        table = {*ADAPTER_MODULES.get(script, ())}
        table |= {SHARED_MODULES[script]} if script in SHARED_MODULES else set()
        assert table <= called, script
        # Others import sluice.public and sluice.planning, but neither measure nor plan.
        assert called - table <= {"contribute", "propose"}, script


def test_each_score_covers_what_every_adapter_reads_back_of_the_candidate() -> None:
    for modality in ("joint", *MODALITIES):
        adapters = adapters_of("score", modality, MODALITIES)
        covered = {path for adapter in adapters for path in closure("score", adapter)}
        for other in MODALITIES:
            assert code.PACKAGE / f"modalities/{other}/shown.py" in covered
            own = code.PACKAGE / f"modalities/{other}/utility.py"
            assert (own in covered) == (other == modality)
    assert adapters_of("curate", "bulk", MODALITIES) == ("bulk",)
    assert adapters_of("bundle", None, MODALITIES) == tuple(MODALITIES)


def test_nothing_else_is_imported_by_name_in_the_pipeline() -> None:
    found = [
        path.relative_to(code.PACKAGE).as_posix()
        for path in code.PACKAGE.rglob("*.py")
        if "import_module(" in path.read_text() or "__import__(" in path.read_text()
    ]
    assert sorted(found) == ["cli/__init__.py", "modalities/__init__.py"]


def test_imports_are_absolute_because_the_closure_follows_only_those() -> None:
    for path in code.PACKAGE.rglob("*.py"):
        relative = [
            node for node in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(node, ast.ImportFrom) and node.level
        ]  # fmt: skip
        assert not relative, path


_LOADED = """
import runpy, sys
from sluice.modalities import load
runpy.run_path(sys.argv[1])
for name in sys.argv[3:]:
    load(sys.argv[2], name)
ours = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "sluice" and m.__file__]
print("\\n".join(ours))
"""


@pytest.mark.parametrize(
    ("script", "modality"),
    [("intake", "clinical"), ("deidentify_apply", "clinical"), ("deidentify_plan", "clinical")],
)
def test_whatever_a_job_really_imports_is_in_its_closure(script: str, modality: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, script_path(script), modality, *ADAPTER_MODULES[script]],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(line).resolve() for line in done.stdout.split()}
    assert len(loaded) > 15
    assert loaded <= {p.resolve() for p in closure(script, modality)}


def test_every_adapter_has_every_function() -> None:
    for modality in MODALITIES:
        for name in {n for names in ADAPTER_MODULES.values() for n in names}:
            path = code.PACKAGE / "modalities" / modality / f"{name}.py"
            assert path.exists(), f"{modality}.{name}"


def test_an_unknown_modality_is_refused_in_one_sentence() -> None:
    with pytest.raises(SluiceError, match=r"no adapter for a modality.*modality spatial"):
        load("spatial", "curate")


def test_resources_are_found_and_each_shipped_one_is_some_rule_s_input() -> None:
    used = {Path(f) for s, m in PAIRS for f in resources_of(s, *([m] if m else []))}
    assert all(path.is_file() for path in used)
    names = {p.relative_to(shipped() / "resources").parts[0] for p in used}
    assert {"dicom", "duo", "expectations", "genes", "geography", "templates"} <= names
    geography = {Path(f).parent.name for f in resources_of("deidentify_apply", "clinical")}
    assert "geography" in geography and "genes" not in geography


def test_resource_names_are_written_out() -> None:
    """A computed name in front of a written one would be missed by `resources_of`."""
    for path in set(code.PACKAGE.rglob("*.py")) - {Path(code.__file__)}:
        for call in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "resource":
                written = [isinstance(a, ast.Constant) for a in call.args]
                assert written and written[0] and written == sorted(written, reverse=True), path
            assert getattr(getattr(call, "func", None), "attr", "") != "resource", path


def test_a_joint_digest_covers_every_adapter() -> None:
    alone = {code_digest("bundle", m) for m in MODALITIES}
    assert code_digest("bundle", *MODALITIES) not in alone
    assert code_digest("bundle", *MODALITIES) == code_digest("bundle", *reversed(MODALITIES))
