"""GET /metrics: what was counted, and how the service stands, as Prometheus reads it.

It is told from Redis, so each process tells of the whole service, the same as every other.
"""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeAlias

import flask
import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from store import census, measures, tally
from store.health import Health
from store.measures import BETWEEN, SUM, Counter
from store.records import to_ms

from .operations import Access, Answer, operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from prometheus_client.core import Metric

    from store.census import Census
    from store.measures import Histogram

PREFIX: Final = "dubq_"
Rows: TypeAlias = dict[tuple[str, ...], dict[str, int]]


class MetricsRoutes:
    """GET /metrics. `clock` returns aware UTC times."""

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime]) -> None:
        self._redis, self._clock = connection, clock

    def mount(self, app: flask.Flask) -> None:
        """Put the route into `app`."""
        app.add_url_rule("/metrics", view_func=self.show)

    @operation(
        Answer(200, "The metrics.", str, content_type="text/plain", examples={"up": "dubq_redis_up 1.0\n"}),
        Answer(
            200, "The same.", str, content_type="application/openmetrics-text", examples={"up": "dubq_redis_up 1.0\n"}
        ),
        access=Access.ADMIN,
        name="metrics",
    )
    def show(self) -> flask.Response:
        """Answer with all there is; while Redis is away with that alone."""
        encode, content_type = choose_encoder(flask.request.headers.get("Accept", ""))
        registry = CollectorRegistry()
        registry.register(_Told(list(self._found())))
        return flask.Response(encode(registry), content_type=content_type)

    def _found(self) -> Iterator[Metric]:
        yield _gauges("info", "The version of this process", "version", {version("dubq"): 1})
        try:
            health = Health.read(self._redis)
            counts = tally.read(self._redis)
            now = census.take(self._redis, to_ms(self._clock()))
        except redis.RedisError:
            yield _gauge("redis_up", "Whether Redis answers", 0)
            return
        yield _gauge("redis_up", "Whether Redis answers", 1)
        yield _gauge("redis_memory_bytes", "What Redis holds", health.used_bytes)
        yield _gauge("redis_memory_limit_bytes", "What it may hold; 0: no limit", health.limit_bytes)
        yield from standing(now)
        yield from counted(counts)


class _Told:
    """What was found before, for a registry: while it asks, nothing can fail any more."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return self._found


def standing(now: Census) -> Iterator[Metric]:
    """Yield how the service stands."""
    queued = sum(now.queued.values())
    jobs = {"queued": queued, "running": now.running, "final": now.kept}
    yield _gauges("jobs", "Jobs that there are, by state; final ones as long as they are kept", "state", jobs)
    yield _gauges("queue_jobs", "Jobs that wait for a worker", "priority", now.queued)
    words = "For how long the one has waited that waits longest"
    yield _gauges("queue_oldest_seconds", words, "priority", now.oldest_s)
    yield _gauge("retries_pausing", "Of the queued jobs, those that pause before their next attempt", now.retrying)
    yield _gauge("webhooks_owed", "Webhooks that are not settled", now.owed)
    yield _gauge("workers", "Worker processes that are alive", now.workers)
    yield _gauge("worker_slots", "Jobs that they can have under way at once", now.slots)
    yield _gauge("api_processes", "API processes that are alive", now.processes)
    yield _gauge("open_streams", "Streams and held answers that are open", now.streams)
    if now.swept_s is not None:
        yield _gauge("sweep_age_seconds", "How long ago somebody has swept", now.swept_s)


def counted(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Yield what was counted. A name that no measure of this version has made is passed over."""
    found: dict[str, Rows] = defaultdict(lambda: defaultdict(dict))
    for name, count in counts.items():
        measure, *values = name.split(BETWEEN)
        bound = "" if isinstance(_KNOWN.get(measure), Counter) or not values else values.pop()
        found[measure][tuple(values)][bound] = count
    for each in measures.ALL:
        rows = {values: row for values, row in found[each.name].items() if len(values) == len(each.labels)}
        for always in _always(each):
            rows.setdefault(always, {})
        yield _counter(each, rows) if isinstance(each, Counter) else _histogram(each, rows)


def _always(measure: Counter | Histogram) -> list[tuple[str, ...]]:
    """Return the labels' values that are told of in any case."""
    return [(value,) for value in measure.always] if measure.labels else [()]


_KNOWN: Final = {each.name: each for each in measures.ALL}


def _counter(measure: Counter, rows: Rows) -> Metric:
    family = CounterMetricFamily(PREFIX + measure.name, measure.does, labels=measure.labels)
    for values, counts in sorted(rows.items()):
        family.add_metric(values, counts.get("", 0))
    return family


def _histogram(measure: Histogram, rows: Rows) -> Metric:
    family = HistogramMetricFamily(PREFIX + measure.name, measure.does, labels=measure.labels)
    for values, counts in sorted(rows.items()):
        steps = accumulate(counts.get(bound, 0) for bound in measure.bounds)
        family.add_metric(values, list(zip(measure.bounds, steps, strict=True)), counts.get(SUM, 0) / 1e6)
    return family


def _gauge(name: str, does: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, does, value=value)


def _gauges(name: str, does: str, label: str, rows: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, does, labels=[label])
    for value, number in rows.items():
        family.add_metric([value], number)
    return family
