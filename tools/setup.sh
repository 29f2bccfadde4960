#!/usr/bin/env bash
# Make .venv hold the project and its pinned dependencies.
#
#   tools/setup.sh runtime   enough to run Vedette
#   tools/setup.sh dev       that, and test, lint and docs
#   tools/setup.sh tools     uv and prek: for `make lock` and `make hooks`
#
# Takes uv when it is on the PATH, else python3 -m venv and pip. Quick when nothing changed.
# Settings: PYTHON (which interpreter; 3.11 or newer), VENV (default .venv).
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-dev}
venv=${VENV:-.venv}
case $level in
  runtime | dev)
    inputs=("requirements/$level.txt" requirements/build.txt pyproject.toml tools/setup.sh
      hatch_build.py native/*.[ch])
    ;;
  tools) inputs=(requirements/tools.txt) ;;
  *)
    sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
    ;;
esac

# The stamp names the place too: a venv that was copied or moved is not one.
state=$(pwd && sha256sum "${inputs[@]}")
stamp=$venv/.vedette-$level
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then exit 0; fi

# Two of these at once, in two terminals, must not both build the venv.
exec 9>"$venv.lock"
if command -v flock >/dev/null; then flock 9; fi
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then exit 0; fi

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    if new_enough "$PYTHON"; then
      echo "$PYTHON"
      return
    fi
    echo "setup: PYTHON=$PYTHON is not a Python 3.11 or newer" >&2
    return 1
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  if command -v python3 >/dev/null; then
    echo "setup: Vedette needs Python 3.11 or newer; python3 here is $(python3 -V 2>&1)" >&2
  else
    echo "setup: Vedette needs Python 3.11 or newer; there is no python3 here" >&2
  fi
  echo "  Debian 12 and Ubuntu 24.04 have one (apt-get install python3 python3-venv);" >&2
  echo "  elsewhere install one and name it: make PYTHON=/path/to/python3.11 ..." >&2
  return 1
}

if ! { [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python" &&
  [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)')" = "$(realpath "$venv")" ]; }; then
  python=$(find_python)
  rm -rf "$venv"
  echo "setup: $venv with $("$python" -V)" >&2
  if command -v uv >/dev/null; then
    uv --quiet venv --no-python-downloads --seed --python "$python" "$venv"
  else
    # Debian ships the venv module without the pip that it needs.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      package=python3-venv
      case $(basename "$python") in python3.*) package=$(basename "$python")-venv ;; esac
      tools/apt.sh "$package"
    fi
    "$python" -m venv "$venv"
  fi
fi

install() { # ARGUMENT...
  if command -v uv >/dev/null; then
    uv --quiet pip install --python "$venv/bin/python" "$@"
  else
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input install \
      --retries 5 --use-pep517 "$@"
  fi
}

echo "setup: installing requirements/$level.txt" >&2
if [ "$level" = tools ]; then
  install --require-hashes -r requirements/tools.txt
else
  # What is only to be had as source is built with the pinned tools, not with what a day brings.
  install --require-hashes -r requirements/build.txt
  install --require-hashes --no-build-isolation -r "requirements/$level.txt"
  install --no-deps --no-build-isolation --editable .
fi
echo "$state" >"$stamp"
