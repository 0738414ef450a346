"""Check a bundle offline: standard library and ssh-keygen only, no keys needed.

    python verify.py BUNDLE

This file is shipped beside the catalogue and imports nothing of ours, so that a recipient can read
it and run it anywhere. It checks that each file is listed and unaltered, that no file is unlisted,
and, where the folder ``approvals`` lies beside the bundle, that each signature is over exactly
this bundle.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
NAMESPACE = "sluice-approval"


def verify(bundle: Path) -> list[str]:
    """Return what is wrong with a bundle and what lies beside it, one sentence each.

    Parameters
    ----------
    bundle
        Folder of the bundle (a BagIt bag); ``approvals/`` and ``release.json`` beside it are
        checked where they are.
    """
    problems = check_bag(bundle)
    if (bundle / TAG_MANIFEST).is_file():
        problems += _check_release(bundle) + check_signatures(bundle)
    return problems


def check_bag(bundle: Path) -> list[str]:
    """Return what is wrong inside a bundle; nothing when every file is listed and unaltered."""
    if not bundle.is_dir():
        return ["There is no such folder."]
    missing = [n for n in ("bagit.txt", MANIFEST, TAG_MANIFEST) if not (bundle / n).is_file()]
    if missing:
        return [f"This is not a bundle: {name} is missing." for name in missing]
    payload, problems = read_manifest(bundle / MANIFEST)
    tags, more = read_manifest(bundle / TAG_MANIFEST)
    problems += more
    problems += [f"{p}: listed in the wrong manifest." for p in payload if not _is_payload(p)]
    problems += [f"{p}: listed in the wrong manifest." for p in tags if _is_payload(p)]
    problems += [f"{n}: not listed." for n in ("bagit.txt", MANIFEST) if n not in tags]
    listed = payload | tags
    for path in sorted(listed):
        problems += _check_file(bundle, path, listed[path])
    problems += _unlisted(bundle, set(listed) | {TAG_MANIFEST})
    return problems + _check_oxum(bundle, payload)


def bundle_digest(bundle: Path) -> str:
    """Return the bundle's digest: the SHA-256 of ``tagmanifest-sha256.txt``.

    That file lists the digest of every other file outside ``data/``, among them the manifest,
    which lists the digest of every file in ``data/``: no byte of the bundle is left out.
    """
    return _sha256(bundle / TAG_MANIFEST)


def read_manifest(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return path to SHA-256 of one manifest, and what is wrong with its lines."""
    entries: dict[str, str] = {}
    problems: list[str] = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](\S.*)", line)
        if match is None or not _is_inside(match[2]):
            problems.append(f"{path.name}, line {number}: not a digest and a path inside.")
        elif match[2] in entries:
            problems.append(f"{path.name}, line {number}: the path stands twice.")
        else:
            entries[match[2]] = match[1]
    return entries, problems


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and pure.as_posix() == path


def _is_payload(path: str) -> bool:
    return path.startswith("data/")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()  # hashlib.file_digest would need Python 3.11
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _check_file(bundle: Path, path: str, digest: str) -> list[str]:
    place = bundle / path
    if place.is_symlink():
        return [f"{path}: a link, not a file."]
    if not place.is_file():
        return [f"{path}: missing."]
    return [] if _sha256(place) == digest else [f"{path}: altered."]


def _unlisted(bundle: Path, listed: set[str]) -> list[str]:
    folders = {parent.as_posix() for name in listed for parent in PurePosixPath(name).parents}
    known = listed | folders
    names = (p.relative_to(bundle).as_posix() for p in bundle.rglob("*"))
    links = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_symlink()}
    return [f"{n}: not listed." for n in sorted(names) if n not in known or n in links - listed]


def _check_oxum(bundle: Path, payload: dict[str, str]) -> list[str]:
    try:
        info = (bundle / "bag-info.txt").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ["bag-info.txt: missing or unreadable."]
    stated = re.search(r"^Payload-Oxum: (\d+)\.(\d+)$", info, re.MULTILINE)
    sizes = [(bundle / path).stat().st_size for path in payload if (bundle / path).is_file()]
    if stated is None or (int(stated[1]), int(stated[2])) != (sum(sizes), len(sizes)):
        return ["bag-info.txt: Payload-Oxum does not match the files in data/."]
    return []


def _check_release(bundle: Path) -> list[str]:
    record = bundle.parent / "release.json"
    if not record.is_file():
        return []
    stated = _read_record(record)
    if stated.get("bundle_digest") != bundle_digest(bundle):
        return ["release.json: names another bundle."]
    address = "/".join(str(stated.get(key)) for key in ("cohort", "version", "tier"))
    info = (bundle / "bag-info.txt").read_text(encoding="utf-8", errors="replace")
    problems = []
    if f"External-Identifier: {address}\n" not in info:
        problems.append("release.json: names another release than the bundle does.")
    signers = stated.get("approvals")
    for signer in signers if isinstance(signers, list) else []:
        role = str(signer.get("role")) if isinstance(signer, dict) else ""
        if not (bundle.parent / "approvals" / f"{PurePosixPath(role).name}.sig").is_file():
            problems.append("approvals: a signature that release.json names is missing.")
    return problems


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def check_signatures(bundle: Path) -> list[str]:
    """Return what is wrong with the signatures in ``approvals/`` beside the bundle.

    A signature shows that the holder of the recorded key approved this bundle. Whose key it is
    can only be told by comparing its fingerprint with one that the facility gave you.
    """
    folder = bundle.parent / "approvals"
    if not folder.is_dir():
        return []
    records = sorted(folder.glob("*.json"))
    stray = {p.stem for p in folder.glob("*.sig")} - {p.stem for p in records}
    problems = [f"approvals/{name}.sig: has no record." for name in sorted(stray)]
    if not records:
        return [*problems, "approvals: holds no approval."]
    if shutil.which("ssh-keygen") is None:
        return [*problems, "Signatures cannot be checked: ssh-keygen is not installed."]
    digest = bundle_digest(bundle)
    for path in records:
        record = _read_record(path)
        message = record.get("message")
        if not isinstance(message, dict) or message.get("bundle_digest") != digest:
            problems.append(f"approvals/{path.name}: is about another bundle.")
        elif not _agrees(message, _read_record(bundle.parent / "release.json")):
            problems.append(f"approvals/{path.name}: release.json says something else.")
        elif message.get("role") != path.stem or not _signed(path.with_suffix(".sig"), record):
            problems.append(f"approvals/{path.stem}.sig: is not a valid signature.")
    return problems


def _agrees(message: dict[str, Any], release: dict[str, Any]) -> bool:
    """Tell whether what was signed is what ``release.json`` states, as far as it states it."""
    stated = {key: release.get(key) for key in ("cohort", "version", "tier")}
    digests = release.get("digests")
    if isinstance(digests, dict):
        stated |= {key: digests.get(key) for key in ("gates", "policy")}
    return all(message.get(key) == value for key, value in stated.items() if value is not None)


def _signed(signature: Path, record: dict[str, Any]) -> bool:
    """Tell whether the signature over the record's message was made with the record's key."""
    key = str(record.get("key", ""))
    if not signature.is_file() or not re.fullmatch(r"[\w@.-]+ [\w+/=]+", key):
        return False
    message = json.dumps(record["message"], sort_keys=True, separators=(",", ":")).encode()
    with tempfile.TemporaryDirectory() as folder:
        allowed = Path(folder) / "allowed_signers"
        allowed.write_text(f'signer namespaces="{NAMESPACE}" {key}\n', encoding="utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", "signer"]
        command += ["-f", str(allowed), "-s", str(signature)]
        done = subprocess.run(command, input=message, capture_output=True, check=False)
    return done.returncode == 0


def _fingerprint(key: str) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"], input=key, capture_output=True, text=True, check=False
    )
    return done.stdout.split()[1] if done.returncode == 0 else "unreadable key"


def report(bundle: Path) -> list[str]:
    """Return what was checked in a sound bundle, one line each."""
    payload, _ = read_manifest(bundle / MANIFEST)
    tags, _ = read_manifest(bundle / TAG_MANIFEST)
    lines = [
        f"bundle digest {bundle_digest(bundle)} (SHA-256 of {TAG_MANIFEST})",
        f"{len(payload)} data files and {len(tags)} other files are as listed; none is unlisted",
    ]
    records = sorted((bundle.parent / "approvals").glob("*.json"))
    for path in records:
        record = _read_record(path)
        lines.append(f"signed for {path.stem} by key {_fingerprint(str(record['key']))}")
    if not records:
        lines.append("no approvals lie beside the bundle: who released it was not checked")
    state = _read_record(bundle.parent / "release.json").get("state")
    return [*lines, f"state in release.json: {state}"] if state else lines


def main(arguments: list[str]) -> int:
    """Check the bundle that is named in ``arguments`` and print the result."""
    if len(arguments) != 1:
        print("usage: python verify.py BUNDLE", file=sys.stderr)
        return 2
    bundle = Path(arguments[0]).resolve()
    problems = verify(bundle)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        print(f"NOT VERIFIED: {len(problems)} problem(s)", file=sys.stderr)
        return 1
    print("\n".join(report(bundle)))
    signed = any((bundle.parent / "approvals").glob("*.json"))
    print("VERIFIED" if signed else "INTACT, NOT AUTHENTICATED: no approvals lie beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
