"""The canary's query on another machine: sent and listened for there, by a few lines of shell.

Needs bash, dig or nslookup on that machine, and that we may read its eve.json.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from vedette.errors import SensorError
from vedette.sensor.canary_query import Heard, Way, dns_query
from vedette.sensor.install import Elsewhere

_SCRIPT = r"""
eve=$1 name=$2 query=$3 sids=$4 resolver=$5 most=$6
[ -r "$eve" ] || exit 71
[ -n "$resolver" ] || resolver=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
[ -n "$resolver" ] || exit 72
at=$(($(wc -c < "$eve") + 1))
began=$(date +%s%N)
if command -v bash > /dev/null 2>&1; then
  bash -c 'exec 3> "/dev/udp/$1/53" && printf "$2" >&3' bash "$resolver" "$query" || exit 73
elif command -v dig > /dev/null 2>&1; then
  dig +tries=1 +time=1 "@$resolver" "$name" A > /dev/null 2>&1
elif command -v nslookup > /dev/null 2>&1; then
  nslookup -timeout=1 -retry=0 "$name" "$resolver" > /dev/null 2>&1
else
  exit 74
fi
while :; do
  found=$(tail -c "+$at" "$eve" | grep -F -i -- "$name")
  took=$((($(date +%s%N) - began) / 1000000))
  if printf '%s\n' "$found" | grep -E -q "\"signature_id\":($sids)[,}]"; then
    echo "alert $took $resolver"
    exit 0
  fi
  [ "$took" -lt "$most" ] || break
  sleep 0.1 2> /dev/null || sleep 1
done
case $found in
  *'"event_type":"dns"'*) echo "logged $took $resolver" ;;
  *) echo "nothing $took $resolver" ;;
esac
"""
_SAID = re.compile(r"(alert|logged|nothing) (\d+) (\S+)")
_PROBLEMS: Mapping[int, str] = {
    71: "its eve.json cannot be read there by the user of ssh",
    72: "it has no resolver in /etc/resolv.conf; name one with --resolver",
    73: "it cannot send to that resolver",
    74: "it has neither bash nor dig nor nslookup",
}
_SPARE_S = 30.0


def ask_there(
    there: Elsewhere, eve: Path, name: str, sids: Collection[int], way: Way, *, timeout_s: float
) -> tuple[Heard, str]:
    """Send one query for a name from another machine, and wait for its alert there.

    The port that it came from is not known: the alert of somebody else's query for this name at the
    same moment would count, too.

    Args:
        there: That machine.
        eve: There.
        name: Of the canary.
        sids: Of the rules that may alert.
        way: Its resolver; an interface cannot be chosen.
        timeout_s: For the alert.

    Returns:
        What was heard, and where the query went, for people.

    Raises:
        SensorError: It cannot be done, or the machine cannot be reached.
    """
    if way.interface or way.source:
        raise SensorError(
            "over ssh a query is sent to a resolver; interface and source cannot be chosen",
            hint="Name a resolver beyond the interface that the sensor watches: --resolver",
        )
    words = [
        *("sh", "-c", _SCRIPT, "sh", str(eve), name, _escaped(name)),
        *("|".join(map(str, sorted(sids))), way.resolver, str(int(1000 * timeout_s))),
    ]
    code, output = there.run(words, timeout_s + _SPARE_S)
    found = _SAID.search(output)
    if code or found is None:
        raise SensorError(
            f"the sensor's machine cannot try it: {_PROBLEMS.get(code, output.strip()[-200:])}",
            hint="It needs bash, dig or nslookup, and read access to its eve.json.",
        )
    alert_s = int(found[2]) / 1000 if found[1] == "alert" else -1.0
    return Heard(alert_s, found[1] != "nothing"), f"to {found[3]}"


def _escaped(name: str) -> str:
    """Spell a query for printf; a newline in it would make bash send two datagrams."""
    while b"\n" in (query := dns_query(name))[:2]:
        pass
    return "".join(f"\\x{byte:02x}" for byte in query)
