"""What the commands of `sluice attack` share: tables beside the matrices, and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd

from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.modalities.shared.rawtables import read_raw_table
from sluice.scores import Score

_KINDS = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".parquet": "parquet", ".xlsx": "xlsx"}
_DECIMALS = 9  # beyond these threads of a linear algebra library may differ


def read_table_file(path: Path, role: str) -> pd.DataFrame:
    """Read a table of text cells; the suffix tells its format.

    Raises
    ------
    SluiceError
        If the file is missing, has another suffix or is damaged.
    """
    if not path.is_file():
        raise SluiceError("There is no such file", where=role, mend="check its path")
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise SluiceError(
            "A table has a format that is not read",
            where=role,
            mend=f"give one of: {', '.join(_KINDS)}",
        )
    return read_raw_table(path, kind, role)


def read_list(path: Path, role: str) -> list[str]:
    """Read names, one a line, or the first column of a table with a header.

    A plain list (``.txt``) has no header.
    """
    if path.suffix.lower() == ".txt" and path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError:
            raise SluiceError("A list is not UTF-8 text", where=role) from None
        return [line.strip() for line in lines if line.strip()]
    return [str(value) for value in read_table_file(path, role).iloc[:, 0].dropna()]


def report(score: Score, seconds: float, path: Path, **more: Any) -> None:
    """Write a score as JSON and say it in one line."""
    write_json(path, {**_record(score), **_rounded(more), "seconds": round(seconds, 3)})
    _say(score, "donors")


def report_all(scores: Sequence[Score], seconds: float, path: Path) -> None:
    """Write several scores of people as JSON, by limit key, and say each in one line."""
    attacks = {score.limit_key: _record(score) for score in scores}
    write_json(path, {"attacks": attacks, "seconds": round(seconds, 3)})
    for score in scores:
        _say(score, "people")


def _record(score: Score) -> dict[str, Any]:
    record = {**score.to_json(), "attack": score.name}
    for key in ("name", "limit_key", "product"):
        del record[key]
    return {key: _rounded(value) for key, value in record.items()}


def _say(score: Score, who: str) -> None:
    chance = "" if score.chance is None else f"; chance {score.chance:.3f}"
    click.echo(
        f"{score.name}: {score.estimate:.3f} (95 % bounds {score.lower:.3f} and "
        f"{score.upper:.3f}, {score.n} {who}{chance})"
    )
    if score.evidence and not score.evidence.get("works"):
        click.echo("The attack does not work on raw either: this is no evidence.", err=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return round(value, _DECIMALS) if isinstance(value, float) else value
