#!/usr/bin/env bash
# Pin every dependency with its hashes, from pyproject.toml, into requirements/*.txt.
#
#   tools/lock.sh            write the pins; versions already pinned stay when they still fit
#   tools/lock.sh --upgrade  take the newest versions
#   tools/lock.sh --check    fail when pyproject.toml asks for something else than was pinned
#
# The files hold names, versions and hashes and no address: where packages come from is the
# business of the machine that installs them.
#   runtime.txt  what Vedette needs to run         build.txt  what makes a wheel, ours or another's
#   dev.txt      that, and test, lint and docs     tools.txt  what makes these files, and the hooks
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}
inputs=requirements/inputs.sha256

digest() { # of the parts of pyproject.toml that the pins depend on
  "$python" - <<'PY'
import hashlib, json, pathlib, tomllib

pyproject = tomllib.loads(pathlib.Path("pyproject.toml").read_text(encoding="utf-8"))
project = pyproject["project"]
asked = [
    project["requires-python"],
    project.get("dependencies"),
    project.get("optional-dependencies"),
    pyproject.get("dependency-groups"),
    pyproject["build-system"]["requires"],
]
print(hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest())
PY
}

if [ "${1:-}" = --check ]; then
  if [ "$(digest)" != "$(cat "$inputs")" ]; then
    echo "lock: requirements/ is older than pyproject.toml: run make lock and commit both" >&2
    exit 1
  fi
  exit 0
fi

upgrade=()
case ${1:-} in
  '') ;;
  --upgrade) upgrade=(--upgrade) ;;
  *)
    sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
    ;;
esac

# A wheel directory of this machine must not lend its own builds to the pins.
unset UV_FIND_LINKS PIP_FIND_LINKS
compile() { # TARGET ARGUMENT...
  local target=$1
  shift
  # Extras stay in the pins: pip would take the newest version of one that it finds without.
  "$python" -m uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
    --no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links "${upgrade[@]}" \
    --output-file "requirements/$target.txt" "$@"
}

# dev is resolved first and binds the smaller ones, so that one version is tested and shipped.
compile dev pyproject.toml --all-extras --group test --group lint --group docs
compile runtime pyproject.toml --all-extras --constraints requirements/dev.txt
"$python" -c 'import pathlib, tomllib
print(*tomllib.loads(pathlib.Path("pyproject.toml").read_text())["build-system"]["requires"],
      "editables", "setuptools", sep="\n")' | compile build --constraints requirements/dev.txt -
printf '%s\n' uv prek | compile tools -

if grep -nE '://' requirements/*.txt; then
  echo "lock: an address got into the pins (above)" >&2
  exit 1
fi
digest >"$inputs"
wc -l requirements/*.txt
