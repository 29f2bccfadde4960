"""``/metrics``: the hub and its fleet for Prometheus.

A look at a million indicators and hundreds of sensors costs a moment; it is kept for some seconds
and renewed in the background, so that no scrape waits for the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vedette.errors import VedetteError
from vedette.pipeline.gauge_table import GAUGES, Gauge
from vedette.pipeline.gauges import Sample, measure
from vedette.store.tokens import Scope
from vedette.web.refusing import Refusal
from vedette.web.state import AppState

log = structlog.get_logger(__name__)

PATH = "/metrics"
_KEPT_S = 5.0
"""Numbers younger than this are answered as they are."""
_COSTS = 20
"""And those that took long to find for so many times that long."""
_OLDEST_S = 60.0
"""Older ones are waited for."""


def routes(state: AppState) -> list[Route]:
    """Return the route, or none if ``[serve] metrics = "off"``."""
    if state.settings.serve.metrics == "off":
        return []
    exposition = Exposition(state)

    async def metrics(request: Request) -> Response:
        if state.settings.serve.metrics == "token":
            await state.require(request, Scope.METRICS)
        body = await exposition.body()
        return Response(body, media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})

    return [Route(PATH, metrics)]


class _Look(NamedTuple):
    samples: list[Sample]
    at: float
    """By the monotonic clock."""
    took_s: float


class Exposition:
    """The text, and the last look that it is made of."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._look: _Look | None = None
        self._looking: asyncio.Task[_Look] | None = None

    async def body(self) -> bytes:
        """Return the numbers in Prometheus' text format.

        Raises:
            Refusal: 503, the store cannot be asked and what is known is too old.
        """
        look = self._look
        age = time.monotonic() - look.at if look else _OLDEST_S
        if look is None or age >= min(_OLDEST_S, max(_KEPT_S, look.took_s * _COSTS)):
            task = self._begin()
            if look is None or age >= _OLDEST_S:
                look = await self._wait(task)
        return await asyncio.to_thread(expose, self._all(look))

    def _begin(self) -> asyncio.Task[_Look]:
        """Look again, unless somebody does already."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._see())
            self._looking.add_done_callback(_say)
        return self._looking

    async def _see(self) -> _Look:
        began = time.monotonic()
        samples = await self._state.make(measure)
        now = time.monotonic()
        self._look = _Look(samples, now, now - began)
        return self._look

    async def _wait(self, task: asyncio.Task[_Look]) -> _Look:
        try:
            return await asyncio.shield(task)
        except VedetteError as error:
            raise Refusal(503, str(error), hint=error.hint) from error

    def _all(self, look: _Look) -> Iterator[Sample]:
        yield from look.samples
        yield Sample("vedette_collected_age_seconds", (), time.monotonic() - look.at)
        for reason, n in self._state.gate.refused.items():
            yield Sample("vedette_requests_refused_total", (reason,), n)


def _say(task: asyncio.Task[_Look]) -> None:
    """Log why a look in the background failed; the next request tries again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("metrics.not_found", error=str(error))


def expose(samples: Iterable[Sample]) -> bytes:
    """Return numbers in Prometheus' text format, in the order of the table.

    Raises:
        KeyError: A name is not in the table.
        ValueError: A number has other labels than the table says.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(samples))
    return generate_latest(registry)


class _Collected(Collector):
    """Numbers as the library takes them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._families = {gauge.name: _family(gauge) for gauge in GAUGES}
        for sample in samples:
            self._families[sample.name].add_metric(sample.labels, sample.value)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return (family for family in self._families.values() if family.samples)


def _family(gauge: Gauge) -> GaugeMetricFamily | CounterMetricFamily:
    if gauge.kind == "counter":
        return CounterMetricFamily(
            gauge.name.removesuffix("_total"), gauge.says, labels=gauge.labels
        )
    return GaugeMetricFamily(gauge.name, gauge.says, labels=gauge.labels)
