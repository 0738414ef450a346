"""All that ``make bench`` tells of images, in one run: Sluice, its peers and a plain copy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.imaging import answers, corpus, fuzzer, hospital, ocr, scanner, scorer, speed, tools
from benchmarks.imaging.canaries import Canary

_PATIENTS, _PEERS_PATIENTS, _INSERTIONS, _SEED = 64, 8, 10_000, 20261123
# Shorter strings are found by chance; the checks of the key still ask for them in their places.
_SHORTEST = 6
# For the raw series and what one tool makes of it, with room to spare.
_ROOM = 4 * 2**30


def measure() -> dict[str, Any]:
    """Run every part in a temporary folder and return the numbers of ``imaging.json``."""
    with (
        tempfile.TemporaryDirectory(prefix="imaging-") as name,
        tempfile.TemporaryDirectory(prefix="imaging-", dir=_memory()) as memory,
    ):
        home = Path(name)
        result = {
            "midi": midi(home / "midi", _PATIENTS),
            "canary": canary(home / "canary"),
            "fuzzer": fuzz(home / "fuzzer", _INSERTIONS),
            "ocr": ocr.measure(),
            **speed.measure(Path(memory)),
        }
    print(f"burned-in text: {result['ocr']}")
    print(f"CPU per CT instance {result['cpu_ms_per_instance']} ms", end=", ")
    print(f"{result['ratio_to_copy']} times a copy; peers need {result['ratio_to']} times as much")
    print(f"peak memory with a file of 500 MB: {result['peak_mb_500mb']} MB")
    return result


def _memory() -> Path | None:
    """Return a file system in memory, if there is one: what a disk does is not what is timed."""
    place = Path("/dev/shm")
    enough = place.is_dir() and shutil.disk_usage(place).free > _ROOM
    return place if enough else None


def midi(home: Path, patients: int, peers: tuple[str, ...] = tools.PEERS) -> dict[str, Any]:
    """Score Sluice on a hospital of planted identifiers, and beside its peers on a smaller one.

    The peers need minutes for what Sluice does in seconds, and a score changes little with the
    number of patients: ``beside_peers`` is Sluice's on the very files that they got.
    """
    whole = _Hospital(home / "whole", patients)
    outcome, judged = whole.scored(tools.sluice, "sluice")
    facts = whole.facts
    result: dict[str, Any] = {
        **judged.summary(),
        "patients": facts.patients,
        "identifiers": len(facts.identifiers),
        "checks": facts.checks,
        "quarantined": round(judged.missing / judged.instances, 5),
        "leaks": len(_leaks(facts, outcome, whole.checks)),
        "failures": judged.failures()[:100],
        "peers": {},
    }
    print(f"{'midi':<24}{'score':>9}{'removal':>9}{'retention':>10}{'missing':>8}")
    _print(f"sluice, {facts.instances} files", judged)
    if peers:
        small = _Hospital(home / "small", min(patients, _PEERS_PATIENTS))
        _, beside = small.scored(tools.sluice, "sluice")
        result["beside_peers"] = beside.summary()
        _print(f"sluice, {small.facts.instances} files", beside)
    for name in peers:
        _, other = small.scored(partial(tools.peer, name), name)
        _print(name, other)
        result["peers"][name] = other.summary()
    return result


class _Hospital:
    """A generated archive, its answer key and what tools make of it."""

    def __init__(self, home: Path, patients: int) -> None:
        self.home, key = home, home / "key.jsonl"
        (home / "raw").mkdir(parents=True)
        self.facts = hospital.build(home / "raw", key, patients)
        self.checks = list(answers.read(key))

    def scored(
        self, run: Callable[[Path, Path], tools.Outcome], name: str
    ) -> tuple[tools.Outcome, scorer.Score]:
        """Run a tool and score what came out."""
        outcome = run(self.home / "raw", self.home / name)
        submitted = scorer.submission(self.checks, outcome.files, outcome.uids, outcome.people)
        return outcome, scorer.score(self.checks, submitted)


def canary(
    home: Path, built: corpus.Corpus | None = None, peers: tuple[str, ...] = tools.PEERS
) -> dict[str, Any]:
    """Send linked objects with canaries through Sluice and its peers.

    Parameters
    ----------
    built
        Another corpus than the benchmark's own: its raw files must lie in ``home / "raw"``.
    """
    made = built or corpus.build(home / "raw")
    outcomes = [tools.sluice(home / "raw", home / "sluice")]
    outcomes += [tools.peer(name, home / "raw", home / name) for name in peers]
    found = {
        outcome.name: corpus.judge(made.files, list(made.canaries), outcome.files).summary()
        for outcome in outcomes
    }
    for name, verdict in found.items():
        print(
            f"{'canary ' + name:<24}{verdict['leaks']:>4} of {len(made.canaries)} leak, "
            f"{verdict['objects_out']} of {verdict['objects_in']} out, "
            f"{verdict['references_intact']} of {verdict['references']} references intact"
        )
    ours = found.pop("sluice")
    return {**ours, "canaries": len(made.canaries), "peers": found}


def fuzz(home: Path, insertions: int) -> dict[str, Any]:
    """Insert canaries at random, clean, and search what came out."""
    planted = fuzzer.build(home / "raw", home / "key.jsonl", insertions, _SEED)
    outcome = tools.sluice(home / "raw", home / "sluice")
    found = found_again(planted, outcome)
    objects = {canary.file for canary in planted}
    print(
        f"fuzzer: {len(planted)} insertions into {len(objects)} objects, {len(outcome.files)} "
        f"objects out, {len(found)} found"
    )
    return {
        "insertions": len(planted),
        "found": len(found),
        "objects": len(objects),
        "objects_out": len(outcome.files),
        "places": sorted({canary.place for canary in found})[:100],
    }


def found_again(planted: list[Canary], outcome: tools.Outcome) -> list[Canary]:
    """Return the canaries that are found in what a tool wrote."""
    everywhere = scanner.needles({canary.needle for canary in planted if not canary.local})
    seen = scanner.search_files([*outcome.files.values(), *outcome.others], everywhere)
    found = [canary for canary in planted if not canary.local and canary.needle in seen]
    for canary in planted:
        path = outcome.files.get(canary.file) if canary.local else None
        if path and scanner.search_files([path], scanner.needles([canary.needle])):
            found.append(canary)
    return found


def _leaks(
    facts: hospital.Facts, outcome: tools.Outcome, checks: list[answers.Check]
) -> set[tuple[int, str]]:
    """Return the identifiers found anywhere in their own patient's files, wherever they lay."""
    found: set[tuple[int, str]] = set()
    owners = {check.instance: facts.owners[check.instance] for check in checks}
    for number in set(owners.values()):
        mine = {text for owner, text in facts.identifiers if owner == number and _telling(text)}
        paths = [outcome.files[name] for name in outcome.files if owners.get(name) == number]
        seen = scanner.search_files(paths, scanner.needles(mine))
        found |= {(number, text) for text in seen}
    return found


def _telling(text: str) -> bool:
    # A date may rightly be another one's, moved.
    return len(text) >= _SHORTEST and not (len(text) == 8 and text.isdigit())


def _print(name: str, judged: scorer.Score) -> None:
    shown = judged.summary()
    print(
        f"{name:<24}{shown['score']:>9.3f}{shown['removal']:>9.3f}{shown['retention']:>10.3f}"
        f"{shown['missing']:>8}"
    )
