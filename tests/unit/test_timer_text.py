"""A timer as people, and programs, are shown it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from funchost.bindings.history import RunRecord, RunState
from funchost.host.cli.timer_text import timer_text
from funchost.host.operations.schedule_words import schedule_words
from funchost.host.operations.timers import TimerInfo, timer_document
from funchost.triggers.schedule import Schedule
from funchost.triggers.timer_missed import Missed

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def timer(**fields: Any) -> TimerInfo:
    return TimerInfo(**{"name": "t", "schedule": "0 0 9 * * *", "zone": UTC, **fields})


def record(**fields: Any) -> RunRecord:
    base = {"id": "0190-1", "function": "t", "trigger": "timerTrigger", "state": RunState.SUCCEEDED}
    return RunRecord(**{**base, "host": "h", "started": NOW, **fields})


def test_a_timer_that_is_not_remembered_says_why() -> None:
    text = timer_text(timer(schedule="* * * * * *", forgotten="not remembered: too often"))
    assert "last run  not remembered: too often" in text
    assert "none remembered" not in text


def test_a_timer_shows_its_runs_in_its_zone_and_in_utc() -> None:
    moment = datetime(2030, 1, 31, 9, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    text = timer_text(
        timer(
            zone=ZoneInfo("Asia/Tokyo"), next=moment, is_past_due=True, upcoming=[moment], meaning="at 09:00"
        )
    )
    assert text.splitlines()[0] == "t  0 0 9 * * *  (at 09:00, Asia/Tokyo)"
    assert "none remembered" in text
    assert "PAST DUE" in text
    assert text.splitlines()[-1] == "  upcoming  2030-01-31 09:00:00 JST   2030-01-31 00:00:00 UTC"


def test_a_timer_in_utc_shows_each_run_once() -> None:
    text = timer_text(timer(last=NOW, upcoming=[NOW]))
    assert text.splitlines()[-1] == "  upcoming  2030-01-31 12:00:00 UTC"
    assert "next run  none" in text


def test_the_last_run_is_shown_with_its_end_and_how_late_it_was() -> None:
    run = record(
        state=RunState.FAILED,
        queued=NOW - 2 * SECOND,
        ended=NOW + SECOND,
        error_type="ValueError",
        error_message="no\nmore",
    )
    text = timer_text(timer(last_run=run))
    assert "  on record failed in 1.0 s, 2.0 s late\n" in text
    assert "            2030-01-31 12:00:00 UTC, run 0190-1\n" in text
    assert "            ValueError: no\n" in f"{text}\n"
    shown = timer_document(timer(last_run=run))["lastRun"]
    assert (shown["lateSeconds"], shown["durationSeconds"], shown["state"]) == (2.0, 1.0, "failed")


def test_a_run_by_hand_was_due_at_no_time() -> None:
    by_hand = timer(last_run=record(ended=NOW))
    assert "by hand" in timer_text(by_hand)
    assert timer_document(by_hand)["lastRun"]["lateSeconds"] is None


def test_what_was_missed_is_told_with_what_was_done() -> None:
    missed = Missed(
        NOW, NOW - 180 * SECOND, NOW - 60 * SECOND, 3, "no host ran the timer then", "they were left out"
    )
    text = timer_text(timer(missed=missed))
    assert "  missed    3 ticks, 2030-01-31 11:57:00 UTC to 2030-01-31 11:59:00 UTC\n" in text
    assert "            no host ran the timer then; they were left out" in text
    assert timer_document(timer(missed=missed))["missed"]["count"] == 3


def test_why_it_does_not_run_is_told() -> None:
    text = timer_text(timer(why=["it is disabled"], disabled=True))
    assert text.splitlines()[0].endswith("  disabled")
    assert "  waits     it is disabled" in text


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("* * * * * *", "every second"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("0 * * * * *", "every minute"),
        ("0 */5 * * * *", "every 5 minutes"),
        ("0 0 * * * *", "every hour"),
        ("0 15 */2 * * *", "every 2 hours at 15 past"),
        ("0 30 9 * * 1-5", "at 09:30, Monday to Friday"),
        ("5 30 9,17 * * *", "at 09:30:05 and 17:30:05"),
        ("0 0 0 1 1 *", "at 00:00, on day 1 of the month, in January"),
        ("0 0 0 1 6-8 *", "at 00:00, on day 1 of the month, in June to August"),
        ("0 0 9 * * 0,6", "at 09:00, Sunday and Saturday"),
        ("0 */5 9-17 * * *", ""),
        ("0 7,19,23 * * * *", ""),
        ("0 0 9 1-20 * *", ""),
        ("0,30 0 9 * * *", ""),
        ("01:30:00", "01:30:00 after each run"),
    ],
)
def test_a_schedule_is_put_into_words_where_they_are_few(schedule: str, words: str) -> None:
    assert schedule_words(Schedule.parse(schedule, UTC)) == words


def test_a_single_moment_is_once() -> None:
    assert schedule_words(Schedule.at("2030-01-31T18:00", UTC)) == "once"
