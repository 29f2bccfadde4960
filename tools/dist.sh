#!/usr/bin/env bash
# Build what is published, into dist/: a wheel with the native reader of EVE for each machine that
# has one, a pure wheel for all others, and the source archive.
#
# The compiler is the one in the ziglang package: it knows every target, and the oldest libc.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}
for machine in x86_64 aarch64; do
  VEDETTE_NATIVE=zig VEDETTE_NATIVE_TARGET=$machine "$python" -m hatchling build --target wheel
done
VEDETTE_NATIVE=no "$python" -m hatchling build --target wheel
"$python" -m hatchling build --target sdist
