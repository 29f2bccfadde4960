"""Our rules among those of others: are they there, are they on, and is anybody told of alerts?

For rules that another tool installs (suricata-update, Scirius), and for ``threshold.config``, which
silences a rule whoever installed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vedette.sensor.configuration import Configuration
from vedette.sensor.finding import Finding, Severity
from vedette.sensor.rules_on_disk import find_rules, rule_files
from vedette.sensor.settings import Delivery, Sensor

INSTALLED_BY_OTHERS = frozenset({Delivery.SURICATA_UPDATE, Delivery.SCIRIUS})

_OURS = re.compile(rb"^[^\n]*\bvedette_set [^\n]*\bsid\s*:\s*(\d{1,10})\s*;", re.MULTILINE)
_SUPPRESS = re.compile(r"^\s*suppress\s+gen_id\s+[01]\s*,\s*sig_id\s+(\d+)\s*(,.*)?$", re.MULTILINE)
_SHOWN = 3


def check_rules(configuration: Configuration) -> Iterator[Finding]:
    """Look for our rules in the files that the engine reads, by their metadata."""
    found = find_rules(configuration, our_sids(configuration))
    off = [rule.sid for rule in found.rules.values() if not rule.is_enabled]
    for problem in found.unreadable:
        yield Finding(
            severity=Severity.WARNING,
            title=f"cannot read {problem}",
            consequence="Whether our rules in it are switched on is not known; a proof is red.",
            remedy="Let the user of Vedette read the rules files of the engine.",
        )
    if not found.rules and not found.unreadable:
        files = _some([str(path) for path in found.paths]) or "rule-files is empty"
        yield Finding(
            severity=Severity.ERROR,
            title=f"there are no rules of Vedette in what the engine reads ({files})",
            consequence="Nothing of what was published is seen.",
            remedy="Add our source to the tool that installs rules, update, and reload.",
        )
    elif off:
        yield Finding(
            severity=Severity.ERROR,
            title=f"{len(off)} of {len(found.rules)} rules of Vedette are commented out,"
            f" sid {_some(list(map(str, off)))}",
            consequence="What they look for is not seen.",
            remedy="Take their lines out of the disable.conf of suricata-update (in Scirius: enable"
            " the rules), update, and reload.",
        )
    elif found.rules:
        title = f"{len(found.rules)} rules of Vedette are in the files that the engine reads"
        yield Finding(severity=Severity.OK, title=title)


def check_suppressed(sensor: Sensor, configuration: Configuration) -> Iterator[Finding]:
    """Look for lines of threshold.config that silence our rules for good."""
    name = configuration.get("threshold-file")
    if not name or sensor.delivery is Delivery.SSH:
        return
    try:
        text = Path(name).read_text(errors="replace")
    except OSError:
        return
    # With "track" they silence one address, which a person may well want.
    whole = {int(match[1]) for match in _SUPPRESS.finditer(text) if not match[2]}
    sids = our_sids(configuration)
    silent = sorted(sids if 0 in whole else sids & whole)
    if silent:
        yield Finding(
            severity=Severity.ERROR,
            title=f"{name} suppresses {len(silent)} rules of Vedette,"
            f" sid {_some(list(map(str, silent)))}",
            consequence="They match, and nobody is told: every proof but that of traffic is green.",
            remedy=f"Take the lines out of {name} and reload. To silence one indicator, allow it:"
            " vedette allow add VALUE",
        )


def our_sids(configuration: Configuration) -> set[int]:
    """Return the sids of all rules with our metadata in the files that the engine reads."""
    found: set[int] = set()
    for path in rule_files(configuration):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if b"vedette_set " in data:
            found |= {int(match[1]) for match in _OURS.finditer(data)}
    return found


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
