"""Digests of the code that a rule runs: its script and everything of ours that it imports."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from itertools import takewhile
from pathlib import Path

from sluice.resources import resource, shipped

PACKAGE = Path(__file__).parent

#: Adapter modules that each script loads by name, which no import statement shows.
ADAPTER_MODULES: dict[str, tuple[str, ...]] = {
    "intake": ("inventory",),
    "curate": ("curate",),
    "minimize": ("minimize",),
    "deidentify_facts": ("facts",),
    "deidentify_plan": ("propose",),
    "deidentify_apply": ("apply",),
    "dp_measure": ("contribute",),
    "score": ("scenarios", "utility"),
    "bundle": ("describe",),
}

#: Scripts that load the adapters of all modalities at once.
JOINT_SCRIPTS = frozenset({"deidentify_plan", "dp_measure", "bundle"})


#: What every job of a script loads of all adapters, beside what it loads of its own.
SHARED_MODULES = {"score": "shown"}


def adapters_of(script: str, modality: str | None, modalities: list[str]) -> tuple[str, ...]:
    """Return the adapters that one job of a script loads; ``bulk/shown`` is one module of one."""
    if script in JOINT_SCRIPTS:
        return tuple(modalities)
    own = (modality,) if modality in modalities else ()
    shared = SHARED_MODULES.get(script)
    return (*own, *(f"{name}/{shared}" for name in modalities if shared))


def script_path(script: str) -> Path:
    """Return the path of a stage's script."""
    return shipped() / "workflow" / "scripts" / f"{script}.py"


@cache
def _parse(path: Path) -> tuple[frozenset[Path], frozenset[Path]]:
    """Return our files that ``path`` imports, and the resources that it names."""
    modules: set[str] = set()
    resources: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "resource":
            constant = takewhile(lambda a: isinstance(a, ast.Constant), node.args)
            names = [str(a.value) for a in constant if isinstance(a, ast.Constant)]
            if names:
                resources.add(resource(*names))
    files: set[Path] = set()
    for module in modules:
        files |= _files(module)
    return frozenset(files), frozenset(resources)


def _files(module: str) -> set[Path]:
    """Return the files that importing ``module`` runs: itself and its parent packages."""
    parts = module.split(".")
    if parts[0] != "sluice":
        return set()
    files = {PACKAGE / "__init__.py"}
    for depth in range(1, len(parts)):
        place = PACKAGE.joinpath(*parts[1 : depth + 1])
        candidates = (place.with_suffix(".py"), place / "__init__.py")
        files |= {candidate for candidate in candidates if candidate.is_file()}
    return files


@cache
def closure(script: str, modality: str | None = None) -> tuple[Path, ...]:
    """Return the script and every file of ours that it can import, sorted.

    Parameters
    ----------
    script
        Name of the stage's script, e.g. ``deidentify_apply``.
    modality
        Adapter that the script loads, or ``adapter/module``; ``None`` for none.
    """
    todo = {script_path(script)}
    name, _, one = (modality or "").partition("/")
    for module in ((one,) if one else ADAPTER_MODULES.get(script, ())) if name else ():
        todo |= _files(f"sluice.modalities.{name}.{module}")
    done: set[Path] = set()
    while todo:
        path = todo.pop()
        done.add(path)
        todo |= set(_parse(path)[0]) - done
    return tuple(sorted(done))


@cache
def code_digest(script: str, *modalities: str) -> str:
    """Return the digest of the code that a job runs and of the shipped files that it reads.

    Over paths and bytes of the closures of one or several adapters.
    """
    files = {path for modality in modalities or (None,) for path in closure(script, modality)}
    files |= {Path(name) for name in resources_of(script, *modalities)}
    digest = hashlib.sha256()
    for path in sorted(files):
        home = PACKAGE if path.is_relative_to(PACKAGE) else shipped()
        name = path.relative_to(home).as_posix()
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def resources_of(script: str, *modalities: str) -> tuple[str, ...]:
    """Return the shipped resource files that the closure reads, sorted."""
    found: set[Path] = set()
    for modality in modalities or (None,):
        for path in closure(script, modality):
            for named in _parse(path)[1]:
                found |= {p for p in named.rglob("*") if p.is_file()} if named.is_dir() else {named}
    return tuple(sorted(map(str, found)))


def lock_digest() -> str:
    """Return the SHA-256 of the hash-locked requirements."""
    return hashlib.sha256((shipped() / "envs" / "requirements.txt").read_bytes()).hexdigest()
