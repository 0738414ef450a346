#!/usr/bin/env bash
# Resolve pyproject.toml for Python 3.11 to 3.13 at once, with hashes; then derive the other two forms.
# UV=... names the resolver; otherwise uv from PATH, or installed by pip into a folder that is thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
export UV_NO_PROGRESS=1

uv=${UV:-$(command -v uv || true)}
if [ -z "$uv" ]; then
  tools=$(mktemp -d)
  trap 'rm -rf "$tools"' EXIT
  "$python" -m pip install -qq --disable-pip-version-check --target "$tools" uv
  uv=$tools/bin/uv
fi

resolve() {
  local out=$1; shift
  "$uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --quiet --output-file "$out" "$@" >/dev/null
}
resolve envs/requirements.txt
resolve envs/requirements-dev.txt --extra dev --constraint envs/requirements.txt
"$python" envs/derive.py
