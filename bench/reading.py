"""An engine that reads a capture once: what it costs, what it loaded, what it found."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cost import BenchError, Cost, run
from vedette.testing.engine import Engine

_LOADED = re.compile(r"(\d+) rules successfully loaded, (\d+) rules failed")
_MESSAGE = re.compile(r"\[\*\*\] \[[\d:]+\] (?P<message>.*) \[\*\*\]")
_QUIET = ("--set", "outputs.1.eve-log.enabled=no", "--runmode", "single", "-k", "none")


class Reading(NamedTuple):
    """Of one run."""

    cost: Cost
    rules: int
    alerts: Counter[str]
    """By buffer: ``dns.query``, ``http.host``, ``tls.sni``..."""

    @property
    def worker_s(self) -> float:
        """CPU seconds of the thread that decodes, parses and detects: the load is not in it."""
        return sum(spent for name, spent in self.cost.threads.items() if name.startswith("W#"))


def read(
    engine: Engine,
    directory: Path,
    pcap: Path,
    rules_name: str = "bench.rules",
    *,
    arguments: Sequence[str] = (),
) -> Reading:
    """Load the rules of a directory and read a capture, as an engine on its default yaml.

    Only alerts are logged (to fast.log): what EVE costs is not what is measured here.

    Raises:
        BenchError: The engine failed, or did not load a rule.
    """
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as place:
        log_dir = Path(place)
        command = [*engine.command(log_dir, directory, rules_name), *_QUIET, *arguments]
        cost = run([*command, "-r", str(pcap)], threads=True)
        log = (log_dir / "suricata.log").read_text(errors="replace")
        found = _LOADED.search(log)
        if found is None or int(found[2]):
            errors = [line for line in log.splitlines() if "Error" in line or "E: " in line]
            raise BenchError(f"{directory}: not all rules were loaded:\n" + "\n".join(errors[:5]))
        alerts = Counter(map(_buffer, (log_dir / "fast.log").read_text().splitlines()))
    return Reading(cost, int(found[1]), alerts)


def _buffer(line: str) -> str:
    found = _MESSAGE.search(line)
    message = found["message"] if found else line
    if message.startswith("MISP"):
        return "http.host" if "Outgoing HTTP" in message else "dns.query"
    return message.rpartition("(")[2].rstrip(")")
