"""A list against the past: what was met, what changed, and how much of the past that covers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from msgspec import Struct

from vedette.fields import NOT_REMEMBERED, places
from vedette.hunt.comparing import Comparison, compare, identity
from vedette.hunt.reading import Listing, Tally
from vedette.model import IndicatorType, Key, Outcome, Rejected
from vedette.opensearch.answer import Answer
from vedette.opensearch.hunting import hunt as hunt_elsewhere
from vedette.opensearch.hunting import place as place_of
from vedette.opensearch.queries import Span
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunting import FOUND_KEPT, RunBody, found_in, found_row, pieces
from vedette.pipeline.memory import Memory
from vedette.pipeline.verdicts import Verdicts
from vedette.pool.records import Coverage, Found, Place
from vedette.store import RunRecord

log = structlog.get_logger(__name__)

_DAYS_ASKED_MAX = 1_000
_DAY = timedelta(days=1)


class Finding(Struct, frozen=True, kw_only=True):
    """A value of the list that the network has shown."""

    found: Found
    live: str
    """``yes``, or why no live alert caught it on the sensor that saw it first."""
    listed: tuple[str, ...]
    """The sources that list it."""


class Given(Struct, frozen=True, kw_only=True):
    """What was on the list."""

    form: str = "text"
    lines: int = 0
    comments: int = 0
    without_value: int = 0
    """Lines in which nothing looks like a value."""
    indicators: int = 0
    """Looked for, in every meaning."""
    types: dict[str, int] = {}
    rejected: dict[str, int] = {}
    """Could not be looked for, by reason."""
    skipped: dict[str, int] = {}
    samples: tuple[Rejected, ...] = ()
    """The first that were rejected for each reason."""

    @classmethod
    def of(cls, tally: Tally) -> Given:
        """Return a tally that has come to its end."""
        return cls(
            form=tally.form,
            lines=tally.lines,
            comments=tally.comments,
            without_value=tally.without_value,
            indicators=tally.values,
            types=dict(tally.types.most_common()),
            rejected=dict(tally.rejected.most_common()),
            skipped=dict(tally.skipped.most_common()),
            samples=tuple(tally.samples),
        )


class HuntAnswer(Struct, frozen=True, kw_only=True):
    """What a hunt says."""

    run: int
    hunt: str
    """Name of the saved hunt, or ``""``."""
    label: str
    started_at: datetime
    finished_at: datetime
    given: Given
    findings: tuple[Finding, ...]
    """By indicator."""
    outside: int = 0
    """Findings left out, because they were not seen in the time that was asked for."""
    not_in: dict[str, str] = {}
    """Fields in which nothing could be found, with the reason."""
    coverage: Coverage | None = None
    elsewhere: Answer | None = None
    """What another place says of itself, if the hunt was there; without its findings."""
    changes: Comparison | None = None
    """Since the run before; None: this is the first."""


def hunt_list(
    hub: Hub,
    memory: Memory,
    listing: Listing,
    *,
    label: str,
    hunt: str = "",
    span: Span | None = None,
    tick: Callable[[], object] = lambda: None,
) -> HuntAnswer:
    """Look for a list in all that was ever seen, and keep the run.

    Args:
        hub: The open state directory.
        memory: The memory to ask.
        listing: The list, unread.
        label: What it is, for people.
        hunt: Name of the saved hunt that this is a run of.
        span: Only what was seen in this stretch of time; counts remain those of all time.
        tick: Called for every value that is read.

    Raises:
        PoolError: The memory cannot answer.
        OSError: The list cannot be read to its end.
    """
    started = datetime.now(UTC)
    found = _sorted(found_in(memory, _ticking(listing.read(), tick)))
    kept = list(_within(memory, found, span)) if span else found
    coverage = memory.coverage()
    answer = HuntAnswer(
        run=0,
        hunt=hunt,
        label=label,
        started_at=started,
        finished_at=datetime.now(UTC),
        given=Given.of(listing.tally),
        findings=tuple(judge(hub, kept)),
        outside=len(found) - len(kept),
        not_in=_skipped_fields(hub, listing.tally.types),
        coverage=coverage,
    )
    return _keep(hub, answer)


def hunt_list_elsewhere(
    hub: Hub,
    place: str,
    listing: Listing,
    *,
    label: str,
    hunt: str = "",
    span: Span | None = None,
    tick: Callable[[], object] = lambda: None,
) -> HuntAnswer:
    """Look for a list in an OpenSearch that vedette.toml names; the same otherwise.

    Raises:
        UsageError: There is no such place.
        PoolError: It cannot be reached, or lets us not in.
        OSError: The list cannot be read to its end.
    """
    started = datetime.now(UTC)
    settings = hub.settings
    told = hunt_elsewhere(
        place_of(settings, place),
        _ticking(listing.read(), tick),
        span=span,
        home=settings.pool.home,
    )
    answer = HuntAnswer(
        run=0,
        hunt=hunt,
        label=label,
        started_at=started,
        finished_at=datetime.now(UTC),
        given=Given.of(listing.tally),
        findings=tuple(judge(hub, told.found)),
        not_in=dict(told.unanswered),
        elsewhere=msgspec.structs.replace(told, found=()),
    )
    return _keep(hub, answer, place=place)


def judge(hub: Hub, found: Sequence[Found]) -> Iterator[Finding]:
    """Yield findings with who lists them, and whether a live alert would have caught them."""
    verdicts = Verdicts(hub)
    store = hub.store
    for some in pieces(found):
        keys = {key for one in some for key in _meant(one)}
        entries = store.entries.lookup(keys)
        withheld = {
            key: one
            for key, one in store.inbox.verdicts(entries).items()
            if one.outcome in (Outcome.HOLD, Outcome.DROP)
        }
        published = store.retro.published(entries)
        for one in some:
            key = next((key for key in _meant(one) if key in entries), _meant(one)[0])
            claims = entries.get(key, [])
            live = verdicts.of_a_list(
                key,
                one.field,
                one.sensor,
                one.last_seen,
                listed=bool(claims),
                published=published.get(key),
            )
            if claims and (one_withheld := withheld.get(key)):
                live = f"the guard withholds it: {one_withheld.reason}"
            sources = tuple(dict.fromkeys(claim.source for claim in claims))
            yield Finding(found=one, live=live, listed=sources)


def _meant(found: Found) -> list[Key]:
    """Return under which keys a source may list it: a bare name may be a host's name alone."""
    key = Key(IndicatorType(found.type), found.indicator)
    if key.type is IndicatorType.DOMAIN and found.observed == found.indicator:
        return [key, Key(IndicatorType.HOSTNAME, key.value)]
    return [key]


def found_of(hub: Hub, run: int) -> list[Found]:
    """Return what a kept run found."""
    decoder = msgspec.json.Decoder(Found)
    return [decoder.decode(row.body) for row in hub.store.hunts.found(run)]


def changes_since(hub: Hub, run: RunRecord) -> Comparison | None:
    """Return what a run of a saved hunt found anew; None if it is the first that is kept."""
    before = hub.store.hunts.before(run)
    return compare(found_of(hub, before.id), found_of(hub, run.id)) if before else None


def _ticking(keys: Iterable[Key], tick: Callable[[], object]) -> Iterator[Key]:
    for key in keys:
        tick()
        yield key


def _sorted(found: Iterable[Found]) -> list[Found]:
    """Return findings by indicator, each once, however often the list names it."""
    each = {identity(one): one for one in found}
    return sorted(each.values(), key=lambda one: (one.type, one.indicator, one.first_seen))


def _keep(hub: Hub, answer: HuntAnswer, *, place: str = "") -> HuntAnswer:
    rows = [found_row(one.found) for one in answer.findings[:FOUND_KEPT]]
    body = RunBody(
        indicators=answer.given.indicators,
        found=len(answer.findings),
        kept=len(rows),
        types=answer.given.types,
        rejected=answer.given.rejected,
        coverage=answer.coverage,
        place=place,
    )
    store = hub.store.hunts
    run = store.add_run(
        hunt=answer.hunt,
        label=answer.label,
        started_at=answer.started_at,
        finished_at=answer.finished_at,
        body=msgspec.json.encode(body),
        found=rows,
    )
    log.info("hunt.run", run=run, indicators=answer.given.indicators, found=len(answer.findings))
    return msgspec.structs.replace(answer, run=run, changes=changes_since(hub, store.run(run)))


def _skipped_fields(hub: Hub, types: Mapping[str, int]) -> dict[str, str]:
    """Return the fields in which these types are looked for, and which are not remembered here."""
    asked = {place.field.name for kind in types for place in places(IndicatorType(kind))}
    reasons = dict.fromkeys(
        (name for name in hub.settings.pool.skip if name in asked),
        "vedette.toml says not to remember it (pool.skip)",
    )
    return reasons | {
        kind: NOT_REMEMBERED[IndicatorType(kind)] for kind in types if kind in NOT_REMEMBERED
    }


def _within(memory: Memory, found: Iterable[Found], span: Span) -> Iterator[Found]:
    """Yield what was seen in a stretch of time, as far as that is known.

    First and last seen say it for most. Of a value that was seen before and after, the days within
    the retention say it; if they are over, it may have been seen and is kept.
    """
    asked = 0
    for one in found:
        if not _overlaps(one, span):
            continue
        if not _is_inside(one, span) and one.hosts and asked < _DAYS_ASKED_MAX:
            asked += 1
            if not _was_seen(memory, one, span):
                continue
        yield one


def _overlaps(one: Found, span: Span) -> bool:
    ends_late = span.since is None or one.last_seen >= span.since
    return ends_late and (span.until is None or one.first_seen < span.until)


def _is_inside(one: Found, span: Span) -> bool:
    """Whether the first or the last time was within the stretch."""
    begins = span.since is None or one.first_seen >= span.since
    return begins or span.until is None or one.last_seen < span.until


def _was_seen(memory: Memory, one: Found, span: Span) -> bool:
    days = memory.days([Place(one.field, one.observed)])
    if not days or (span.since and days[0].day > span.since.date()):
        return True  # nobody knows what was before the first day of the retention
    return any(
        (span.since is None or _start(day.day) + _DAY > span.since)
        and (span.until is None or _start(day.day) < span.until)
        for day in days
    )


def _start(day: object) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00")
