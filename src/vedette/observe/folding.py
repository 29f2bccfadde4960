"""The reference fold: lines into rows of who showed which value on which day.

While lines come in, an observation is only three numbers; texts are sorted once, in ``take``.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np

from vedette.fields import FIELDS
from vedette.observe import tables
from vedette.observe.folded import Folded, Hour
from vedette.observe.observing import Observed, Observer
from vedette.observe.tables import Ends, Integers, Keys, Rows

HOUR_US = 3_600_000_000
_PADDING = b"\0 \t\r"
_LOG_MIN = 1 << 16
"""Observations that are folded together at least."""
_BYTES_OF_ROW = 512
"""A row of more input than this counts as several: long values fill the memory."""
_BY_NAME = sorted(FIELDS, key=lambda field: field.name)
_NUMBERS = 1 + max(field.number for field in FIELDS)


class PythonFold:
    """Collects observations; see ``folded.Fold``."""

    def __init__(self, skip: Iterable[str] = (), home: Iterable[str] = ()) -> None:
        """Take the names of fields that are not wanted, and our own networks (CIDR).

        Raises:
            ValueError: A network is none.
        """
        self._observe = Observer(skip, home)
        self._reset()

    def _reset(self) -> None:
        self._counts: Counter[str] = Counter()
        self._keys: list[dict[str, int]] = [{} for _ in range(_NUMBERS)]
        self._next_key = 0
        self._ends: dict[tuple[str, str], int] = {}
        self._rows = tables.NO_ROWS
        self._hours: dict[int, Hour] = {}
        self._bytes = 0
        self._clear_log()

    def _clear_log(self) -> None:
        self._log_keys = array("q")
        self._log_events = (array("q"), array("q"), array("Q"), array("q"))
        self._log_times = array("q")

    def add(self, data: bytes) -> None:
        """Take in whole lines. Never raises for what a line holds: it is counted."""
        observe, counts, note = self._observe, self._counts, self._note
        log_time = self._log_times.append
        for padded in data.split(b"\n"):
            line = padded.strip(_PADDING)
            if not line:
                continue
            seen = observe(line)
            counts["lines"] += 1
            counts[seen[0]] += 1
            if seen[6]:
                counts.update(seen[6])
            if (time_us := seen[1]) is not None:
                log_time(time_us)
                if seen[5]:
                    note(time_us, seen)
        self._bytes += len(data)
        if len(self._log_keys) >= max(_LOG_MIN, len(self._rows.key)):
            self._fold_log()

    def _note(self, time_us: int, seen: Observed) -> None:
        _, _, flow_id, client, server, values, _ = seen
        ends = self._ends
        who = ends.setdefault((client, server), len(ends))
        log_key, keys = self._log_keys.append, self._keys
        for number, value in values:
            known = keys[number]
            key = known.get(value)
            if key is None:
                key = known[value] = self._next_key
                self._next_key += 1
            log_key(key)
        log_ends, log_times, log_flows, log_lengths = self._log_events
        log_ends.append(who)
        log_times.append(time_us)
        log_flows.append(flow_id)
        log_lengths.append(len(values))

    def __len__(self) -> int:
        """About how many rows have been collected: when to take."""
        return max(len(self._rows.key) + len(self._log_keys), self._bytes // _BYTES_OF_ROW)

    def take(self) -> Folded:
        """Return what was collected since the last call, and start afresh."""
        rows = self._all_rows()
        keys, key_ranks = self._sorted_keys()
        ends, ends_ranks = self._sorted_ends()
        rows = tables.grouped(rows._replace(key=key_ranks[rows.key], ends=ends_ranks[rows.ends]))
        folded = Folded(
            observations=tables.observations(rows, keys, ends),
            sightings=tables.sightings(rows, keys, ends),
            hours=tuple(hour for _, hour in sorted(self._hours.items())),
            counts=dict(self._counts),
        )
        self._reset()
        return folded

    def _fold_log(self) -> None:
        self._rows = tables.grouped(self._all_rows())
        self._clear_log()

    def _all_rows(self) -> Rows:
        """Return all rows, those of the log not grouped; and count its hours."""
        who, times, flows, lengths = (np.asarray(column) for column in self._log_events)
        logged = tables.single(
            np.asarray(self._log_keys),
            np.repeat(who, lengths),
            np.repeat(times, lengths),
            np.repeat(flows, lengths),
        )
        self._count_hours(np.asarray(self._log_times))
        return tables.joined(self._rows, logged)

    def _count_hours(self, times: Integers) -> None:
        ordered = np.sort(times)
        hours, starts = np.unique(ordered // HOUR_US, return_index=True)
        ends = np.append(starts, len(ordered))[1:].tolist()
        for number, start, end in zip(hours.tolist(), starts.tolist(), ends, strict=True):
            first, last = int(ordered[start]), int(ordered[end - 1])
            known = self._hours.get(number)
            self._hours[number] = Hour(
                number * 3600,
                min(first, known.first_us) if known else first,
                max(last, known.last_us) if known else last,
                end - start + (known.events if known else 0),
            )

    def _sorted_keys(self) -> tuple[Keys, Integers]:
        """Return all fields and values in order, and by number their place in it."""
        sizes: list[int] = []
        values: list[bytes] = []
        ranks = np.empty(self._next_key, np.int64)
        for field in _BY_NAME:
            known = self._keys[field.number]
            ordered = sorted(known)
            numbers = np.fromiter(map(known.__getitem__, ordered), np.int64, len(ordered))
            ranks[numbers] = np.arange(len(values), len(values) + len(ordered))
            values += [value.encode() for value in ordered]
            sizes.append(len(ordered))
        names = [field.name for field in _BY_NAME]
        return Keys(names, np.repeat(np.arange(len(names)), sizes), values), ranks

    def _sorted_ends(self) -> tuple[Ends, Integers]:
        ordered = sorted(self._ends)
        numbers = np.fromiter(map(self._ends.__getitem__, ordered), np.int64, len(ordered))
        ranks = np.empty(len(ordered), np.int64)
        ranks[numbers] = np.arange(len(ordered))
        clients, servers = zip(*ordered, strict=True) if ordered else ((), ())
        return Ends(clients, servers), ranks
