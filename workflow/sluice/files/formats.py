"""Text and JSON with one spelling for one value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluice.errors import SluiceError
from sluice.files.atomic import replacing_file


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys; NaN is refused."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that Sluice wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SluiceError(
            "A file of an earlier stage is missing", where=path.name, mend="run the stage again"
        ) from None
    except ValueError:
        raise SluiceError(
            "A file of an earlier stage is damaged",
            where=path.name,
            mend="delete it and run the stage again",
        ) from None
