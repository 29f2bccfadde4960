"""What each event of the log means; name, level and fields are read from the source.

A line of the source that logs an event without a line here fails a test, and the other way.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parent.parent / "src/vedette"
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
_PARTS = {
    "agent": "agent",
    "web": "serve",
    "sensor": "run, agent",
    "cli": "all",
    "cli/serve.py": "serve",
}
_ANY = "*"


class Event(NamedTuple):
    """An event as the source logs it, perhaps at several places."""

    name: str
    """``*`` stands for what is only known when it happens."""
    levels: tuple[str, ...]
    fields: tuple[str, ...]
    who: str
    """Which program logs it."""


def events() -> list[Event]:
    """Return every event that the source logs, by name."""
    found: dict[str, tuple[set[str], dict[str, None], set[str]]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if path.is_relative_to(SOURCE / "testing"):
            continue
        within = path.relative_to(SOURCE)
        who = _PARTS.get(str(within)) or _PARTS.get(within.parts[0], "run")
        for name, level, fields in _of_module(ast.parse(path.read_text(encoding="utf-8"))):
            levels, names, programs = found.setdefault(name, (set(), {}, set()))
            levels.add("error" if level == "exception" else level)
            names.update(dict.fromkeys(fields))
            programs.update(who.split(", "))
    order = {level: number for number, level in enumerate(LEVELS)}
    return [
        Event(
            name, tuple(sorted(levels, key=order.__getitem__)), tuple(names), ", ".join(sorted(who))
        )
        for name, (levels, names, who) in sorted(found.items())
    ]


def _of_module(tree: ast.Module) -> Iterator[tuple[str, str, list[str]]]:
    chosen = dict(_chosen_levels(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        for level in _levels(node.func, chosen):
            fields = [word.arg for word in node.keywords if word.arg and word.arg != "exc_info"]
            for name in _names(node.args[0]):
                yield name, level, fields


def _chosen_levels(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield variables that are one of two levels: ``say = log.error if news else log.debug``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp):
            both = [_level(node.value.body), _level(node.value.orelse)]
            target = node.targets[0]
            if isinstance(target, ast.Name) and all(both):
                yield target.id, [level for level in both if level]


def _levels(function: ast.expr, chosen: dict[str, list[str]]) -> list[str]:
    if isinstance(function, ast.Name):
        return chosen.get(function.id, [])
    if isinstance(function, ast.IfExp):
        return [level for one in (function.body, function.orelse) if (level := _level(one))]
    level = _level(function)
    return [level] if level else []


def _level(function: ast.expr) -> str:
    """Return the level of ``log.info``, of a bound logger, or of one that is just made."""
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return ""
    owner = function.value
    text = ast.unparse(owner)
    is_logger = text in {"log", "self._log", "_log"} or "get_logger" in text or "log.bind" in text
    return function.attr if is_logger else ""


def _names(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _names(node.body)
        yield from _names(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else _ANY for part in node.values
        )
    else:
        yield _ANY


MEANS: dict[str, str] = {
    "agent.started": "The agent begins its work.",
    "agent.stopped": "The agent has ended in order.",
    "alerts.lost": (
        "The agent's spool is full, or its disk: alerts of our rules were not kept. Counted; "
        "the hub is told."
    ),
    "announcement.accepted": "The agent verified what the hub wants, and goes for it.",
    "announcement.not_kept": "The agent cannot keep what is wanted (disk full); it tries again.",
    "announcement.not_told": (
        "What is wanted cannot be read; agents that wait are answered when it can."
    ),
    "announcement.refused": (
        "The agent refuses what the hub announces: signature, order or content is not what it "
        "must be."
    ),
    "archive.imported": "A generation came on a stick, and was verified.",
    "artifact.made": "A file that consumers fetch was made; once for each generation.",
    "backup.made": "A backup was written.",
    "batch.damaged": (
        "A batch of alerts in the agent's spool cannot be read; it is counted and left out."
    ),
    "bundle.announced": "A generation is wanted from now on, by whoever is told.",
    "bundle.built": "A new generation was published.",
    "bundle.fetched": "A consumer fetched a file whole.",
    "bundle.shrank": "A third of the indicators, or more, are gone since the generation before.",
    "bundle.unchanged": "A build found nothing new; there is no new generation.",
    "certificate.kept": "A new certificate cannot be used; the server goes on with the one before.",
    "certificate.read": "The server took a new certificate, without a restart.",
    "cursor.unknown": (
        "Hub and agent disagree on what was sent (one of them is an old copy); alerts are "
        "sent again and count once."
    ),
    "directory.claimed": "This hub, or agent, has taken over a rules directory.",
    "engine.gone": "The engine ended in the middle of a push; it is waited for.",
    "eve.found": "The agent reads this eve.json.",
    "eve.gap_found": "A part of eve.json is gone before it was read (rotated away).",
    "eve.known": "Two sensors name the same eve.json; it is read once.",
    "eve.not_fetched": "eve.json of a sensor cannot be read through SSH; it is tried again.",
    "eve.rotated": "eve.json was rotated.",
    "eve.skipped": "Lines of eve.json were skipped; the reason, and how many.",
    "eve.unreadable": "The agent cannot read eve.json; it is tried again.",
    "eve.waiting": "Another reader has this file; it is waited for.",
    "feedback.failed": "A MISP took no sightings; they wait.",
    "feedback.misnamed": "A source in `[feedback]` is no MISP, or is gone.",
    "feedback.sent": "Sightings were sent to a MISP.",
    "generation.fetched": "The agent has all files of a generation, verified.",
    "guard.judged": "The guard judged what changed.",
    "guard.unasked": (
        "The memory does not say which of the new indicators our hosts have met; they are "
        "judged without."
    ),
    "hits.found": "Alerts of our rules were read.",
    "hits.refused": "The hub never takes a batch of alerts; it is counted and left out.",
    "hits.sent": "The hub took alerts from the agent.",
    "hits.too_many_new": (
        "An agent began more groups of hits than a sensor may in a while; what comes beyond that is"
        " counted and not kept."
    ),
    "hits.unsent": "The hub did not take alerts; they wait in the spool.",
    "holding.damaged": (
        "The agent's own notes cannot be read. What is installed stays, nothing new is accepted."
    ),
    "hub.found": "The hub answers again.",
    "hub.lost": (
        "The hub does not answer. What is installed stays in force and goes on to be proved."
    ),
    "hunt.finished": "New indicators were looked for in the past.",
    "hunt.run": "A list was hunted.",
    "import.taken": "Indicators of a report were taken in.",
    "job.crashed": (
        "A job failed in a way that nobody foresaw: a fault in Vedette. The others go on."
    ),
    "job.failed": "A job of the daemon failed; it is tried again. Said once, then each hour.",
    "job.postponed": "A job waits, because another process works on the same thing.",
    "job.recovered": "A job that failed succeeds again.",
    "key.followed": "The agent followed a change of the hub's signing key.",
    "key.pinned": "The agent believes this key from now on.",
    "manifest.not_kept": "The agent could not keep a manifest; it is fetched again when needed.",
    "memory.crashed": "The memory failed in a way that nobody foresaw; it is opened again.",
    "memory.expired": "Observations older than the retention were forgotten.",
    "memory.following": "A process reads this eve.json into the memory.",
    "memory.left": "An eve.json is not read any more: its sensor was removed or changed.",
    "memory.not_expired": "The memory could not forget what is too old.",
    "memory.off": "The memory is off, and why.",
    "memory.opened": "The memory is open.",
    "memory.reader_ended": "A reader of eve.json ended; it is started again.",
    "memory.unavailable": "The memory cannot be opened; what is read waits in the spool.",
    "metrics.not_found": (
        "The numbers of `/metrics` cannot be found; old ones are answered for a minute."
    ),
    "misp.missing": "Events that an index does not list any more were asked for one by one.",
    "misp.page_halved": "A MISP could not answer for a whole page; smaller ones are asked for.",
    "misp.rate_limited": "A MISP, or a proxy before it, asked to wait.",
    "notify.failed": "A target took no message; it is tried again.",
    "notify.told": "People were told.",
    "part.failed": (
        "A part of the agent failed in a way that nobody foresaw: a fault in Vedette. It "
        "begins again."
    ),
    "patch.absent": "The hub has no patch between these generations; the agent takes whole files.",
    "patch.unusable": "A patch did not give what the manifest says; the agent takes whole files.",
    "patches.damaged": "A file of patches cannot be used; it is made again.",
    "patches.made": "Patches between two generations were made.",
    "place.damaged": (
        "The agent does not know where its spool begins; it sends again, and nothing counts twice."
    ),
    "pool.commit_crashed": (
        "A batch could not be written, for a reason that nobody foresaw; it is tried again."
    ),
    "pool.committed": "A batch of what was read is in the memory.",
    "pool.expired": "Weeks of the memory were dropped.",
    "pool.not_committed": "A batch could not be written; it stays in the spool and is tried again.",
    "pool.opened": "The database of the memory is open.",
    "push.failed": "A generation could not be brought into force; it is tried again.",
    "redis.lost": "Redis does not answer; nothing of it is lost while it keeps its list.",
    "release.installed": "The files of a generation lie in the rules directory, not yet in force.",
    "report.sent": "The hub took the agent's report.",
    "report.unsent": "The hub did not take the report; the newest one is sent when it answers.",
    "request.failed": "A request failed for a reason that nobody foresaw: a fault in Vedette.",
    "request.not_noted": (
        "Uses of tokens and refusals could not be written down yet; it is tried again."
    ),
    "request.tried_again": "A request to a source failed and is sent again.",
    "rollout.changed": "The roll-out went on: from canaries to the others, to its end.",
    "rollout.no_way_back": (
        "The roll-out should go back, and that generation cannot be read; another one is "
        "taken, or it pauses."
    ),
    "rollout.stopped": (
        "The roll-out was stopped. Newer generations wait for a person: `vedette rollout resume`."
    ),
    "ruling.ended": "A person ended decisions.",
    "ruling.made": "A person decided about indicators.",
    "run.started": "The daemon begins its work.",
    "run.stopped": "The daemon has ended in order.",
    "sensor.changed": "Engine or files are not those that were proved: a proof follows at once.",
    "sensor.drifted": "The engine does not hold what it was proved to hold; which checks are red.",
    "sensor.proved": "An engine was asked; whether it holds the generation.",
    "sensor.pushed": "A generation was brought into force; how, and whether it is proved.",
    "sensor.repaired": "What had drifted was brought into force again.",
    "sensor.upgraded": "The engine can do more, or less, than the rules it has: it gets others.",
    "serve.ended": "The server has ended in order.",
    "serve.started": "The server listens.",
    "service.answered": "A command asked the memory.",
    "service.crashed": "An answer about the memory failed: a fault in Vedette.",
    "service.failed": "The memory cannot be asked any more.",
    "service.left": "Who asked the memory went away before the answer.",
    "service.started": "The memory can be asked by commands.",
    "service.stopped": "The memory cannot be asked by commands any more.",
    "source.event_broken": "An event of a feed cannot be read; it stays as it was.",
    "source.failed": "A source could not be read; its last good state stays in force.",
    "source.hinted": "A MISP said that something is new: its source is pulled now.",
    "source.pulled": "A source was read; what changed.",
    "source.read": "All of a source's pages or files were read.",
    "source.unhinted": "A MISP cannot be listened to; its source is pulled on its interval.",
    "spool.damaged": "A batch of what was read cannot be read back; it is put aside.",
    "spool.failed": "What was read cannot be written to the spool; the reader waits.",
    "spool.given_up": (
        "The spool could not be written for too long; these lines are missing in the memory."
    ),
    "spool.recovered": "The spool can be written again.",
    "ssh.connected": "A connection to a sensor stands.",
    "ssh.differs": (
        "The sensor has another generation than we left there: somebody else was there, or a "
        "push was cut off."
    ),
    "ssh.installed": "A generation lies on a sensor, not yet in force.",
    "ssh.not_pruned": "Old generations could not be removed from a sensor.",
    "ssh.sending": "Files are sent to a sensor.",
    "ssh.sent_again": "Files on a sensor were damaged, and sent again.",
    "state.changed": "What the agent says of its sensor changed.",
    "status.not_written": "`vedette agent status` shows an old state: the file cannot be written.",
    "taxii.rate_limited": "A TAXII server asked to wait.",
    "taxii.read_whole": "Much is new in a collection: it is read from its beginning.",
    "token.refused": (
        "A request had no token that is good for it. The first of an address, and when it "
        "becomes too many."
    ),
    "update.ran": "The agent's `update_command` ended well.",
    "warninglist.broken": "A warning list cannot be read; it does nothing.",
    "warninglist.fetched": "Warning lists were fetched.",
    "warninglist.indexed": "Warning lists were read.",
    "warninglist.none": "There are no warning lists.",
    "warninglist.not_kept": "Warning lists could not be fetched; those from before stay in force.",
    "warninglist.shrank": "A warning list lost most of its entries.",
    "warninglist.table_not_kept": (
        "The prepared form of the lists could not be written; they are read again each time."
    ),
    "warninglist.table_unreadable": (
        "The prepared form of the lists cannot be read; they are read again."
    ),
    "worker.killed": "A reader did not end when it was told to.",
}
