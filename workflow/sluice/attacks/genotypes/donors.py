"""Which donors the attacker learns from, whom he attacks, and whose genotypes he holds."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sluice.errors import SluiceError


def read_donors(path: Path, role: str) -> list[tuple[str, str]]:
    """Read (name in the expression, name in the genotypes), a donor a line.

    One name a line stands for both. Lines that are empty or begin with ``#`` are passed over.

    Raises
    ------
    SluiceError
        If a line has more than two names, a donor comes twice, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise SluiceError("A list of donors is not text", where=role, mend="give text") from None
    found: list[tuple[str, str]] = []
    seen: set[tuple[int, str]] = set()
    for ordinal, line in enumerate(lines, start=1):
        names = line.replace(",", "\t").split()
        if not names or line.startswith("#"):
            continue
        if len(names) > 2:
            raise SluiceError(
                "A line of a list of donors has more than two names",
                where=f"{role}, line {ordinal}",
                mend="give the name in the expression and the name in the genotypes",
            )
        pair = (names[0], names[-1])
        if seen & set(enumerate(pair)):
            raise SluiceError(
                "A donor comes twice in a list", where=f"{role}, line {ordinal}", mend="keep one"
            )
        seen |= set(enumerate(pair))
        found.append(pair)
    if not found:
        raise SluiceError("A list of donors is empty", where=role, mend="name the donors")
    return found


def all_present(names: Collection[str], there: Collection[str], role: str, file: str) -> None:
    """Refuse donors who are not in a file, telling how many and the first one's ordinal."""
    known = set(there)
    missing = [ordinal for ordinal, name in enumerate(names, start=1) if name not in known]
    if missing:
        raise SluiceError(
            f"{len(missing)} listed donors are not in the {file}",
            where=f"{role}, first is donor {missing[0]}",
            mend="take them out of the list, or give a second column with their name there",
        )


def apart(panel: Collection[str], target: Collection[str]) -> None:
    """Refuse a donor who is learned from and attacked: the attack would know him already."""
    both = len(set(panel) & set(target))
    if both:
        raise SluiceError(
            f"{both} donors are in the panel and among the targets",
            where="--panel-donors, --target-donors",
            mend="keep them apart: who was learned from is no test",
        )
