"""Measures as Prometheus reads them. The library is imported with this module: at the first scrape, not before."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from .measures import Measures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_POISON = "-poison"


def exposition(measures: Measures) -> bytes:
    """All metrics of a host and its process, as text."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Measured(measures))
    return generate_latest(registry)


class _Measured(Collector):
    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def collect(self) -> Iterator[Metric]:
        yield from _host(self._measures)
        yield from _runs(self._measures)
        yield from _timers(self._measures)
        yield from _queues(self._measures)


def _host(measures: Measures) -> Iterator[Metric]:
    info = InfoMetricFamily("funchost", "Which funchost this is.")
    info.add_metric((), {"version": measures.version})
    yield info
    ready = GaugeMetricFamily(
        "funchost_ready", "Whether it is so (1), for each thing that readiness asks.", labels=("check",)
    )
    for check in measures.checks:
        ready.add_metric((check.name,), check.trouble is None)
    yield ready
    up = GaugeMetricFamily(
        "funchost_function_up", "Whether a function takes events (1).", labels=("function", "trigger")
    )
    for name, trigger, is_up in measures.functions:
        up.add_metric((name, trigger), is_up)
    yield up
    yield GaugeMetricFamily("funchost_workers", "Worker processes that are alive.", value=measures.workers)
    yield CounterMetricFamily(
        "funchost_worker_restarts",
        "Workers that ended unasked, each of which was replaced.",
        value=measures.worker_losses,
    )
    leases = GaugeMetricFamily(
        "funchost_lease_held", "Leases that hosts hold: 1 this one, 0 another.", labels=("lease",)
    )
    for lease, is_ours in measures.leases:
        leases.add_metric((lease,), is_ours)
    yield leases
    yield GaugeMetricFamily(
        "funchost_history_bytes", "What the rows of runs take in the database.", value=measures.history_size
    )


def _runs(measures: Measures) -> Iterator[Metric]:
    ended = CounterMetricFamily("funchost_runs", "Runs that have ended.", labels=("function", "state"))
    retries = CounterMetricFamily("funchost_run_retries", "Further attempts.", labels=("function",))
    running = GaugeMetricFamily("funchost_runs_in_flight", "Runs in hand.", labels=("function",))
    durations = HistogramMetricFamily(
        "funchost_run_duration_seconds",
        "From taking the event to the end of the last attempt.",
        labels=("function",),
    )
    for function, tally in measures.tally.functions.items():
        for status, count in tally.ended.items():
            ended.add_metric((function, status.value), count)
        retries.add_metric((function,), tally.retries)
        running.add_metric((function,), tally.in_flight)
        durations.add_metric((function,), tally.durations.cumulative(), tally.durations.total)
    yield from (ended, retries, running, durations)


def _timers(measures: Measures) -> Iterator[Metric]:
    lateness = HistogramMetricFamily(
        "funchost_timer_lateness_seconds",
        "How long after its moment a timer's run began.",
        labels=("function",),
    )
    for function, tally in measures.tally.functions.items():
        if tally.is_timer:
            lateness.add_metric((function,), tally.lateness.cumulative(), tally.lateness.total)
    yield lateness


def _queues(measures: Measures) -> Iterator[Metric]:
    labels = ("connection", "queue")
    depth = GaugeMetricFamily(
        "funchost_queue_messages", "Messages of a queue, by how they stand.", labels=(*labels, "state")
    )
    oldest = GaugeMetricFamily(
        "funchost_queue_oldest_age_seconds", "Age of the oldest message of a queue.", labels=labels
    )
    poison = GaugeMetricFamily(
        "funchost_poison_messages", "Messages that were given up, by their queue.", labels=labels
    )
    for connection, queue in measures.queues:
        name = (connection, queue.queue)
        for state, count in (
            ("visible", queue.visible),
            ("delayed", queue.delayed),
            ("in-flight", queue.in_flight),
            ("waiting", queue.waiting),
        ):
            depth.add_metric((*name, state), count)
        if queue.oldest is not None:
            oldest.add_metric(name, max(0.0, (measures.now - queue.oldest).total_seconds()))
        if queue.queue in measures.poison_queues or queue.queue.endswith(_POISON):
            poison.add_metric(name, queue.visible + queue.delayed + queue.in_flight)
    yield from (depth, oldest, poison)
