"""How scripts and commands start and fail: private files, one sentence, no traceback."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from sluice.errors import SluiceError

USER_ERROR, INTERNAL_ERROR = 2, 3


def guard(main: Callable[[], object]) -> int:
    """Run ``main`` and return an exit code.

    A :class:`SluiceError` is printed as its one sentence. Any other exception may carry a cell's
    value in its text, so only its type and the place in our code are printed; the same holds for
    warnings and log lines of libraries.
    """
    os.umask(0o077)
    _silence_libraries()
    started = time.monotonic()
    try:
        main()
    except SluiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        return INTERNAL_ERROR
    except OSError as error:
        if error.errno is None:
            _say_withheld(error)
            return INTERNAL_ERROR
        print(
            f"error: The system refused a file ({os.strerror(error.errno)}, {_place(error)}); "
            "check permissions and free disk with `sluice doctor`.",
            file=sys.stderr,
        )
        return USER_ERROR
    except Exception as error:
        _say_withheld(error)
        return INTERNAL_ERROR
    finally:
        if "SLUICE_TIMES" in os.environ:
            _note_usage(Path(os.environ["SLUICE_TIMES"]), time.monotonic() - started)
    return 0


def _say_withheld(error: BaseException) -> None:
    print(
        f"error: internal fault {type(error).__name__} at {_place(error)}; the message is "
        "withheld because it may hold data; please report this line.",
        file=sys.stderr,
    )


def _silence_libraries() -> None:
    """Print of a library's warning only its kind and place: pydicom's, say, quote the value."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"warning: {category.__name__} at {Path(filename).name}:{lineno}", file=sys.stderr)

    def thread_failed(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is not None:
            _say_withheld(failure.exc_value)

    warnings.showwarning = show
    threading.excepthook = thread_failed
    sys.unraisablehook = lambda _: None
    logging.lastResort = None


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
    found = ours or frames
    return f"{Path(found[-1].filename).name}:{found[-1].lineno}" if found else "an unknown place"
