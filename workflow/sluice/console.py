"""How scripts and commands start and fail: private files, one sentence, no traceback."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from sluice.errors import SluiceError

USER_ERROR, INTERNAL_ERROR = 2, 3


def guard(main: Callable[[], object]) -> int:
    """Run ``main`` and return an exit code.

    A :class:`SluiceError` is printed as its one sentence. Any other exception may carry a cell's
    value in its text, so only its type and the place in our code are printed.
    """
    os.umask(0o077)
    started = time.monotonic()
    try:
        main()
    except SluiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        return INTERNAL_ERROR
    except (Exception, RecursionError) as error:
        print(
            f"error: internal fault {type(error).__name__} at {_place(error)}; the message is "
            "withheld because it may hold data; please report this line.",
            file=sys.stderr,
        )
        return INTERNAL_ERROR
    finally:
        if "SLUICE_TIMES" in os.environ:
            _note_usage(Path(os.environ["SLUICE_TIMES"]), time.monotonic() - started)
    return 0


def _note_usage(path: Path, wall: float) -> None:
    """Append what this process used to the file that ``SLUICE_TIMES`` names (for `make bench`)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    row = {
        "script": Path(sys.argv[0]).stem,
        "wall_s": round(wall, 3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }
    with path.open("a") as out:
        out.write(json.dumps(row) + "\n")


def _place(error: BaseException) -> str:
    """Return ``module.py:line`` of the innermost frame that is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "sluice" in Path(f.filename).parts or "scripts" in f.filename]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
