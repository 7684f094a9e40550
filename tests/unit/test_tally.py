"""What a host counts of its runs, and how Prometheus reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fakes import ManualClock, make_function, make_outcome
from prometheus_client.parser import text_string_to_metric_families

from funchost.bindings.queue import QueueDepth
from funchost.host.execution.run import Run
from funchost.host.metrics.exposition import exposition
from funchost.host.metrics.health import Check
from funchost.host.metrics.measures import Measures
from funchost.host.metrics.tally import Histogram, Tally
from funchost.triggers.base import Cause, ErrorInfo, Status, TriggerEvent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def run_of(event: TriggerEvent | None = None, name: str = "Work") -> Run:
    return Run(make_function(name=name), event or TriggerEvent(kind="queue"), ManualClock())


def samples(measures: Measures) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample by its name and labels."""
    families = text_string_to_metric_families(exposition(measures).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(measures: Measures, name: str, **labels: str) -> float | None:
    return samples(measures).get((name, frozenset(labels.items())))


def measures_of(tally: Tally, **more: object) -> Measures:
    return Measures(now=NOW, version="1.2", tally=tally, checks=[Check("host")], **more)  # type: ignore[arg-type]


def test_a_value_counts_in_each_class_that_it_is_not_above() -> None:
    histogram = Histogram((1.0, 5.0))
    for seconds in (0.5, 1.0, 4.0, 90.0):
        histogram.add(seconds)
    assert histogram.cumulative() == [("1.0", 2.0), ("5.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 95.5


def test_runs_are_counted_by_function_and_state() -> None:
    tally = Tally()
    for status in (Status.SUCCEEDED, Status.SUCCEEDED, Status.TIMED_OUT):
        run = run_of()
        tally.started(run)
        tally.ended(run, make_outcome(status))
    tally.started(run_of())
    tally.retrying(run_of(), ErrorInfo("E", "no"), 1.0)
    measures = measures_of(tally)
    assert value(measures, "funchost_runs_total", function="Work", state="succeeded") == 2
    assert value(measures, "funchost_runs_total", function="Work", state="timed-out") == 1
    assert value(measures, "funchost_runs_in_flight", function="Work") == 1
    assert value(measures, "funchost_run_retries_total", function="Work") == 1
    assert value(measures, "funchost_run_duration_seconds_count", function="Work") == 3


def test_a_timer_is_as_late_as_its_run_began_after_its_moment() -> None:
    tally = Tally()
    due = ManualClock().now() - timedelta(seconds=2)
    tally.started(run_of(TriggerEvent(kind="timer", cause=Cause(queued=due)), "Tick"))
    tally.started(run_of(TriggerEvent(kind="queue", cause=Cause(queued=due))))
    measures = measures_of(tally)
    assert value(measures, "funchost_timer_lateness_seconds_sum", function="Tick") == 2
    assert value(measures, "funchost_timer_lateness_seconds_bucket", function="Tick", le="1.0") == 0
    assert value(measures, "funchost_timer_lateness_seconds_bucket", function="Tick", le="5.0") == 1
    assert value(measures, "funchost_timer_lateness_seconds_sum", function="Work") is None


def test_queues_are_shown_with_their_depth_their_age_and_what_was_given_up() -> None:
    depths = [
        QueueDepth(queue="jobs", visible=3, delayed=1, in_flight=2, oldest=NOW - timedelta(minutes=1)),
        QueueDepth(queue="jobs-poison", visible=4, delayed=0, in_flight=0, oldest=None),
        QueueDepth(queue="given-up", visible=5, delayed=0, in_flight=0, oldest=None),
    ]
    queues = [("", depth) for depth in depths]
    measures = measures_of(Tally(), queues=queues, poison_queues=frozenset({"given-up"}))
    assert value(measures, "funchost_queue_messages", connection="", queue="jobs", state="in-flight") == 2
    assert value(measures, "funchost_queue_oldest_age_seconds", connection="", queue="jobs") == 60
    assert value(measures, "funchost_queue_oldest_age_seconds", connection="", queue="given-up") is None
    assert value(measures, "funchost_poison_messages", connection="", queue="jobs-poison") == 4
    assert value(measures, "funchost_poison_messages", connection="", queue="given-up") == 5
    assert value(measures, "funchost_poison_messages", connection="", queue="jobs") is None


def test_what_a_host_is_made_of_is_shown() -> None:
    measures = measures_of(
        Tally(),
        functions=[("Work", "queueTrigger", True), ("Mail", "queueTrigger", False)],
        leases=[("Tick.Listener", True), ("other", False)],
        workers=2,
        worker_losses=7,
        history_size=1000,
    )
    assert value(measures, "funchost_info", version="1.2") == 1
    assert value(measures, "funchost_ready", check="host") == 1
    assert value(measures, "funchost_function_up", function="Mail", trigger="queueTrigger") == 0
    assert value(measures, "funchost_lease_held", lease="other") == 0
    assert value(measures, "funchost_workers") == 2
    assert value(measures, "funchost_worker_restarts_total") == 7
    assert value(measures, "funchost_history_bytes") == 1000


def test_what_is_not_so_is_no_reason_for_a_label_but_shows() -> None:
    measures = Measures(now=NOW, version="1", tally=Tally(), checks=[Check("storage", "it is full")])
    assert value(measures, "funchost_ready", check="storage") == 0
    assert b"full" not in exposition(measures)
