#!/usr/bin/env bash
# envs/install.sh LOCK FOLDER: a new virtual environment with exactly what LOCK pins, hashes checked.
# PYTHON=... chooses the interpreter; otherwise the first fitting one on PATH.
set -euo pipefail
lock=$1 folder=$2

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if fits "$candidate"; then echo "$candidate"; return; fi
  done
  echo "No Python 3.11, 3.12 or 3.13 was found (${PYTHON:-python3 on PATH}); install one, or name it with make PYTHON=/path/to/python." >&2
  return 1
}

python=$(find_python)
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
  echo "$python lacks the modules venv and ensurepip; install them (Debian: apt-get install python3-venv)." >&2
  exit 1
}

echo "Installing what $lock pins into $folder with $("$python" --version): some minutes on a fresh machine." >&2
"$python" -m venv --clear "$folder"
"$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-compile --require-hashes -r "$lock"
echo "Byte-compiling (halves the start of every job)." >&2
# Some packages ship files that are not for this Python: they are left uncompiled, nothing else is lost.
"$folder/bin/python" -m compileall -qq -j 2 "$folder/lib" || true
