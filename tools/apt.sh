#!/usr/bin/env bash
# Make sure that Debian packages are there: tools/apt.sh PACKAGE...
#
# Installs what is missing when it may (root, and apt is there); otherwise says exactly what is
# missing and how to get it, and exits 1. Asks nothing, and is quick when nothing is missing.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

missing=()
for package in "$@"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
  [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]} (Debian package names); install them with your system's packager" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "missing: ${missing[*]}; get it with: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "apt: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
    --no-install-recommends install "${missing[@]}"
}
# The first try uses the package lists as they are; when they are old or absent it fails at once.
for try in 1 2 3; do
  [ "$try" = 1 ] || apt-get -q -o Acquire::Retries=3 update || sleep 5
  if install; then exit 0; fi
done </dev/null >"$log" 2>&1
tail -n 20 "$log" >&2
echo "apt: could not install ${missing[*]} (the lines above are apt's)" >&2
exit 1
