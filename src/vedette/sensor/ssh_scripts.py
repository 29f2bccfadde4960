"""What runs on the machine of a sensor: POSIX shell, with sha256sum, tar, and ``mv -T``.

Hard rule: constants only. Whatever a person can set comes as ``$1``, ``$2``... and is used in
quotes, behind ``--``. GNU and BusyBox have all that is used (``sync FILE`` or a plain ``sync``).
"""

from __future__ import annotations

_SYNC = 'made_safe() { sync -- "$@" 2>/dev/null || sync; }\n'

LOOK = """
set -eu
[ -d "$1" ] || mkdir -p -- "$1"
cd -- "$1"
[ -w . ] || { echo "$1: Permission denied" >&2; exit 9; }
printf 'current %s\\n' "$(readlink current || :)"
for made in gen-*; do
  [ -d "$made" ] || continue
  sum=$(sha256sum 2>/dev/null < "$made/release.json") || sum=-
  printf 'generation %s %s\\n' "${sum%% *}" "$made"
done
for packer in zstd gzip; do
  if command -v "$packer" >/dev/null 2>&1; then printf 'packer %s\\n' "$packer"; fi
done
echo end
"""
"""``$1``: the rules directory, which is made. Prints what is there."""

INSTALL = (
    _SYNC
    + """
set -eu
umask 022
cd -- "$1"
new=$2 made=$3 packer=$4
shift 4
[ ! -e "$made" ] || { echo "$made: File exists" >&2; exit 8; }
rm -rf .new-*
trap 'rm -rf -- "$new"' EXIT
trap 'exit 7' HUP INT TERM
mkdir -- "$new"
while [ "$1" != -- ]; do
  ln -- "$1" "$new/${1##*/}" 2>/dev/null || :
  shift
done
case $packer in
  zstd) zstd -dqc ;;
  gzip) gzip -dc ;;
  *) cat ;;
esac | tar -xof - -C "$new"
cd -- "$new"
printf '%s\\n' "$2" | sha256sum -c || exit 6
chmod 644 -- *
made_safe * .
cd ..
mv -T -- "$new" "$made"
trap - EXIT
made_safe .
"""
)
"""Rules directory, new name, final name, packer, files to link, ``--``, the list of sums; a packed
tar of the others on standard input. Code 6: a sum is wrong, printed as ``NAME: FAILED``."""

SWITCH = (
    _SYNC
    + """
set -eu
cd -- "$1"
[ -d "$2" ]
trap 'rm -f -- "$3"' EXIT
ln -s -- "$2" "$3"
mv -f -T -- "$3" current
made_safe .
"""
)
"""Rules directory, generation, a name for the new link."""

DAMAGED = """
cd -- "$1" || exit
printf 'current %s\\n' "$(readlink current)"
cd -- "$2" || exit 0
shift 2
sha256sum -- "$@" 2>/dev/null
echo end
"""
"""Rules directory, generation, its files. Prints their sums."""

RUN = """
cd -- "$1" || exit
tmp=$PWD/$2
shift 2
trap 'rm -rf -- "$tmp"' EXIT
trap 'exit 7' HUP INT TERM
mkdir -- "$tmp" || exit
( "$@" ) </dev/null 2>&1
printf '\\nvedette-code %s\\n' $?
"""
"""Rules directory, name of a directory that lives as long as the command, the command."""

PRUNE = """
cd -- "$1" || exit
kept=" $(readlink current) $2 "
for made in gen-*; do
  case $kept in *" $made "*) ;; *) rm -rf -- "$made" ;; esac
done
"""
"""Rules directory, names to keep with one space between them."""

SOCKET = """
way=$1
while [ "$way" != / ]; do
  way=$(dirname -- "$way")
  [ -d "$way" ] && { [ -x "$way" ] || { echo "closed $way"; exit 0; }; }
done
[ -e "$1" ] || { echo missing; exit 0; }
[ -S "$1" ] || { echo "other"; exit 0; }
[ -w "$1" ] || { echo denied; exit 0; }
real() { (cd -- "${1%/*}/" 2>/dev/null && printf '%s/%s' "$(pwd -P)" "${1##*/}"); }
here=$(real "$1")
while read -r _ _ _ flags _ _ _ path; do
  [ "$flags" = 00010000 ] && [ "${path##*/}" = "${1##*/}" ] || continue
  [ "$path" = "$1" ] || [ "$(real "$path")" = "$here" ] && { echo listening; exit 0; }
done < /proc/net/unix
echo deaf
"""
"""The socket. Prints what is the matter with it; ``listening`` if nothing is."""

CHECK = """
printf 'user %s\\n' "$(id -un)"
printf 'uid %s\\n' "$(id -u)"
printf 'clock %s\\n' "$(date +%s)"
have=
for program in sha256sum tar zstd gzip; do
  command -v "$program" >/dev/null 2>&1 && have=$have,$program
done
mv --help 2>&1 | grep -q -e ' -T' -e '-[a-z]*T' && have="$have,mv -T"
printf 'programs %s\\n' "$have"
way=$1
while [ ! -e "$way" ] && [ "$way" != / ]; do way=$(dirname -- "$way"); done
if [ ! -d "$way" ]; then word=other
elif [ -w "$way" ] && [ -x "$way" ]; then word=writable
elif [ "$way" = "$1" ]; then word=denied
else word=missing
fi
printf 'directory %s %s\\n' "$word" "$way"
printf 'free %s\\n' "$(df -Pk -- "$way" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if [ -r "$2" ]; then echo 'eve readable'; fi
"""
"""Rules directory, eve.json or ``""``. Prints what the doctor wants to know; changes nothing."""

FOLLOW = """
tries=$8 look= file=/proc/self/fd/3
while :; do
  { command exec 3< "$1"; } 2>/dev/null || { look=; break; }
  look=$(stat -L -c '%i %s' $file) || exit
  [ "$look" = "$2 $3" ] && [ "$tries" -gt 0 ] || break
  tries=$((tries - 1))
  sleep 0.5
done
[ "${look%% *}" = "$2" ] && [ "${look##* }" -ge "$3" ] || { echo other; exit 0; }
head=$(head -c "$4" $file | sha256sum)
[ "${head%% *}" = "$5" ] || { echo other; exit 0; }
echo "same $(stat -L -c %Y $file)"
dd if=$file bs=65536 skip="$6" count="$7" 2>/dev/null
"""
"""The log, inode, size, bytes of its head, SHA-256 of these, blocks of 64 KiB to skip and to read,
half seconds to wait for more. Prints ``same`` and when it was written, and the blocks; or ``other``
if it is not that file any more."""

FAMILY = """
[ -r "$1" ] || [ ! -e "$1" ] || { echo "$1: Permission denied" >&2; exit 9; }
cd -- "$(dirname -- "$1")" || exit
live=${1##*/}
for name in "$live" "$live"[-._]*; do
  [ -f "$name" ] && [ -r "$name" ] || continue
  case $name in
    *.gz) head=$(gzip -dc 2>/dev/null < "$name" | head -c "$2" | sha256sum) ;;
    *.zst) head=$(zstd -dc 2>/dev/null < "$name" | head -c "$2" | sha256sum) ;;
    *) head=$(head -c "$2" < "$name" | sha256sum) ;;
  esac
  printf '%s %s %s\\n' "$(stat -c '%i %s %Y' -- "$name")" "${head%% *}" "$name"
done
"""
"""The log, bytes of a head. Prints inode, size, time, SHA-256 of the head and name of each file."""

READ = """
exec < "$1" || exit
case $2 in
  gz) gzip -dc | tail -c "+$3" | head -c "$5" ;;
  zst) zstd -dc | tail -c "+$3" | head -c "$5" ;;
  *) dd bs=65536 skip="$3" count="$4" 2>/dev/null ;;
esac
"""
"""The file, how it is packed, what to skip (blocks, or the first byte of a packed one), blocks or
bytes to read."""
