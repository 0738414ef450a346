#!/usr/bin/env python
"""Derive the conda and the container form of the environment from the lock.

Both install exactly what ``requirements.txt`` pins, with its hashes. They carry the lock's digest,
so that a lock that changed without them is seen (``tests/envs`` compares).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ENVS = Path(__file__).resolve().parent
PYTHON = "3.12"  # of the three that the lock serves

NOTICE = """\
# Made by envs/derive.py from envs/requirements.txt; do not edit. No test builds it.
# lock sha256: {digest}
"""

CONDA = """\
name: sluice
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - pip
  - openssh
  - pip:
      - --require-hashes
      - -r requirements.txt
"""

CONTAINER = """\
FROM python:{python}-slim-bookworm AS wheel
WORKDIR /src
COPY envs/requirements-dev.txt envs/
RUN pip install --no-cache-dir --require-hashes -r envs/requirements-dev.txt
COPY . .
RUN python -m build --wheel --no-isolation --outdir /wheel

FROM python:{python}-slim-bookworm
RUN apt-get update \\
 && apt-get install -y --no-install-recommends openssh-client \\
 && rm -rf /var/lib/apt/lists/*
COPY envs/requirements.txt /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-cache-dir --no-deps /tmp/wheel/*.whl && rm -r /tmp/wheel
ENTRYPOINT ["sluice"]
"""


def derived(lock: bytes) -> dict[str, str]:
    """Return the text of each derived file by its name, for the lock's bytes."""
    notice = NOTICE.format(digest=hashlib.sha256(lock).hexdigest())
    return {
        "environment.yaml": notice + CONDA.format(python=PYTHON),
        "Containerfile": notice + CONTAINER.format(python=PYTHON),
    }


def main(folder: Path = ENVS) -> None:
    """Write both files beside the lock."""
    for name, text in derived((folder / "requirements.txt").read_bytes()).items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
