"""The agent's own doctor: what stands between hub and engine, beside what the engine's doctor says.

Hard rule: nothing is changed; every finding says what it costs and what to do.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vedette.agent.failures import RefusedError
from vedette.agent.holding import NO_KEY, Holding
from vedette.agent.hub import Endpoint, Hub
from vedette.agent.settings import AgentSettings
from vedette.agent.spool import Spool
from vedette.agent.tokens import read_token
from vedette.errors import VedetteError
from vedette.ruleset.manifest import SetInfo
from vedette.sensor.doctor import diagnose
from vedette.sensor.finding import Finding, Severity
from vedette.sensor.reach import directory_of

_SKEW_S = 120.0
_FREE_MIN = 256 << 20
_FULL_SHARE = 0.5


def examine(
    settings: AgentSettings, holding: Holding, hub: Hub | None, spool: Spool | None
) -> list[Finding]:
    """Look at everything that an agent needs.

    Args:
        settings: Of the agent.
        holding: What it trusts.
        hub: A connection; None: there is no hub.
        spool: Alerts that wait; None: there is none.
    """
    findings = [*_hub(settings, hub), *_key(holding, settings), *_disk(settings)]
    findings += _eve(settings)
    if spool is not None:
        findings += _spool(spool, settings)
    installed = directory_of(settings.sensor).current()
    sets: tuple[SetInfo, ...] = installed.release.sets if installed else ()
    return [*findings, *_engine(settings, sets)]


def examine_from_outside(settings: AgentSettings) -> list[Finding]:
    """Look at everything that an agent needs, whether it runs or not."""
    findings: list[Finding] = []
    hub: Hub | None = None
    try:
        if settings.hub:
            token = read_token(Path(settings.token_file))
            hub = Hub(Endpoint.of(settings, token.text))
        state = settings.state_dir
        spool_path = state / "spool"
        spool = Spool.looked_at(spool_path, settings.spool_mb << 20)
        holding = Holding(state)
    except VedetteError as error:
        findings.append(_broken(str(error), "The agent does not start.", error.hint))
        return [*findings, *_engine(settings)]
    try:
        return examine(settings, holding, hub, spool)
    finally:
        if hub:
            hub.close()


def _engine(settings: AgentSettings, sets: Sequence[SetInfo] = ()) -> list[Finding]:
    """Look at the engine; where another tool installs, that is not wrong."""
    sensor = msgspec.structs.replace(settings.sensor, delivery=settings.delivery)
    return diagnose(sensor, config=settings.yaml, sets=sets)


def _hub(settings: AgentSettings, hub: Hub | None) -> Iterator[Finding]:
    if hub is None:
        yield _fine("no hub is named: generations come on a stick")
        return
    try:
        hub.key_changes(1 << 30)  # none: only whether we may ask
    except RefusedError as error:
        yield _broken(str(error), "Nothing new comes, and the hub hears nothing.", error.hint)
        return
    except VedetteError as error:
        yield _broken(
            str(error),
            "Nothing new comes, and the hub hears nothing; what is installed goes on to be proved.",
            error.hint,
        )
        return
    way = "with TLS" if settings.hub.startswith("https") else "WITHOUT TLS"
    yield _fine(f"the hub {settings.hub} answers {way} and takes our token")
    if hub.skew_s is not None and abs(hub.skew_s) > _SKEW_S:
        yield Finding(
            severity=Severity.WARNING,
            title=f"our clock and the hub's are {abs(hub.skew_s):.0f} s apart",
            consequence="No decision depends on it, but times of alerts and proofs are wrong"
            " somewhere, and certificates may be taken for expired.",
            remedy="Have both set by NTP: timedatectl set-ntp true",
        )


def _key(holding: Holding, settings: AgentSettings) -> Iterator[Finding]:
    pins = holding.now.pins
    if pins is None:
        if settings.hub:
            yield _broken("no key of the hub is pinned", "Nothing is installed.", NO_KEY)
        return
    ids = ", ".join(key.id for key in pins.public_keys)
    wanted = holding.wanted
    of_what = f"; followed up to announcement {wanted.serial}" if wanted else ""
    yield _fine(f"the hub's key is pinned: {ids}{of_what}")


def _disk(settings: AgentSettings) -> Iterator[Finding]:
    for path in dict.fromkeys([settings.sensor.rules_path, settings.state_dir]):
        place = _existing(path)
        if not os.access(place, os.W_OK):
            yield _broken(
                f"{path} may not be written by us",
                "Nothing can be installed or remembered.",
                f"Let the user that the agent runs as own it: chown {os.getuid()} {place}",
            )
            continue
        free = shutil.disk_usage(place).free
        if free < _FREE_MIN:
            yield Finding(
                severity=Severity.WARNING,
                title=f"{free >> 20:,} MiB are free at {path}",
                consequence="The next large generation may not be installed; the one in force"
                " stays.",
                remedy="Free some space.",
            )


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def _eve(settings: AgentSettings) -> Iterator[Finding]:
    if not settings.sensor.eve:
        yield Finding(
            severity=Severity.WARNING,
            title="no eve.json is named",
            consequence="The hub hears of no alert, and a flood of them stops no roll-out.",
            remedy="Name it in agent.toml: [sensor] eve = '/var/log/suricata/eve.json'",
        )
        return
    path = Path(settings.sensor.eve)
    if not path.exists():
        yield Finding(
            severity=Severity.WARNING,
            title=f"there is no {path}",
            consequence="The hub hears of no alert until the engine writes it.",
            remedy="Is eve-log enabled in suricata.yaml, and is this its filename?",
        )
    elif not os.access(path, os.R_OK):
        yield _broken(
            f"{path} may not be read by us",
            "The hub hears of no alert.",
            "Add the user that the agent runs as to the group that owns it.",
        )


def _spool(spool: Spool, settings: AgentSettings) -> Iterator[Finding]:
    for reason, count in sorted(spool.lost.items()):
        yield Finding(
            severity=Severity.WARNING,
            title=f"{count:,} alerts were not kept for the hub: {reason}",
            consequence="They are in eve.json, but the hub shows no hits for them.",
            remedy="Raise spool_mb, or find out why the hub was away for so long.",
        )
    if spool.size > _FULL_SHARE * (settings.spool_mb << 20):
        yield Finding(
            severity=Severity.WARNING,
            title=f"{spool.waiting:,} batches of alerts ({spool.size >> 20} MiB) wait for the hub",
            consequence=f"At {settings.spool_mb} MiB alerts are counted, but not kept any more.",
            remedy="Find out why the hub does not take them: vedette agent status",
        )


def _fine(title: str) -> Finding:
    return Finding(severity=Severity.OK, title=title)


def _broken(title: str, consequence: str, remedy: str) -> Finding:
    return Finding(severity=Severity.ERROR, title=title, consequence=consequence, remedy=remedy)
