"""Schedules: the NCRONTAB grammar, intervals, single moments, and what summer time does to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funchost.bindings.errors import ConfigurationError
from funchost.triggers.ncrontab import Ncrontab, parse_ncrontab
from funchost.triggers.schedule import IntervalSchedule, Schedule

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ALL = {
    "seconds": tuple(range(60)),
    "minutes": tuple(range(60)),
    "hours": tuple(range(24)),
    "days": tuple(range(1, 32)),
    "months": tuple(range(1, 13)),
    "weekdays": tuple(range(7)),
}


def runs(text: str, start: str, count: int, zone: tzinfo = UTC) -> list[str]:
    """The next runs after a local time, as local times with their offset."""
    moment = datetime.fromisoformat(start)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return [found.isoformat() for found in Schedule.parse(text, zone).upcoming(moment, count)]


# The grammar


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("5 * * * * *", "seconds", (5,)),
        ("0-3 * * * * *", "seconds", (0, 1, 2, 3)),
        ("*/20 * * * * *", "seconds", (0, 20, 40)),
        ("10-30/10 * * * * *", "seconds", (10, 20, 30)),
        ("50/5 * * * * *", "seconds", (50, 55)),
        ("57/1 * * * * *", "seconds", (57, 58, 59)),
        ("1,1,3-4,*/30 * * * * *", "seconds", (0, 1, 3, 4, 30)),
        ("*/0 * * * * *", "seconds", ALL["seconds"]),
        ("*/-7 * * * * *", "seconds", ALL["seconds"]),
        ("*/90 * * * * *", "seconds", (0,)),
        ("007 * * * * *", "seconds", (7,)),
        ("0 5-1 * * * *", "minutes", (1, 2, 3, 4, 5)),
        ("0 5-1/2 * * * *", "minutes", (1, 3, 5)),
        ("0 0 23 * * *", "hours", (23,)),
        ("0 0 0 28/2 * *", "days", (28, 30)),
        ("0 0 0 * Jan *", "months", (1,)),
        ("0 0 0 * j *", "months", (1,)),
        ("0 0 0 * JU *", "months", (6,)),
        ("0 0 0 * september,Dec *", "months", (9, 12)),
        ("0 0 0 * Nov-Feb *", "months", tuple(range(2, 12))),
        ("0 0 0 * * mon", "weekdays", (1,)),
        ("0 0 0 * * m", "weekdays", (1,)),
        ("0 0 0 * * s", "weekdays", (0,)),
        ("0 0 0 * * T", "weekdays", (2,)),
        ("0 0 0 * * 0", "weekdays", (0,)),
        ("0 0 0 * * Mon-Fri", "weekdays", (1, 2, 3, 4, 5)),
        ("0 0 0 * * Fri-Mon", "weekdays", (1, 2, 3, 4, 5)),
        ("0 0 0 * * Tue/2", "weekdays", (2, 4, 6)),
        ("0 0 0 * * Mon,3,Sat", "weekdays", (1, 3, 6)),
        ("  0   0 0  * * *  ", "minutes", (0,)),
        ("*/15 * * * *", "minutes", (0, 15, 30, 45)),
        ("*/15 * * * *", "seconds", (0,)),
    ],
)
def test_a_field_stands_for_these_values(text: str, field: str, values: tuple[int, ...]) -> None:
    assert getattr(parse_ncrontab(text), field) == values


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("60 * * * * *", ["'60'", "second", "0 to 59"]),
        ("0 60 * * * *", ["'60'", "minute", "0 to 59"]),
        ("0 0 24 * * *", ["'24'", "hour", "0 to 23"]),
        ("0 0 0 0 * *", ["'0'", "day of month", "1 to 31"]),
        ("0 0 0 32 * *", ["'32'", "day of month"]),
        ("0 0 0 * 13 *", ["'13'", "month", "1 to 12"]),
        ("0 0 0 * 0 *", ["'0'", "month"]),
        ("0 0 0 * * 7", ["'7'", "day of week", "0 to 6", "Sunday is 0"]),
        ("0 0 0 * * 5-7", ["'5-7'", "day of week"]),
        ("0 0 0 * * Mondays", ["'Mondays'", "day of week"]),
        ("0 0 0 * xyz *", ["'xyz'", "month"]),
        ("0 Jan * * * *", ["'Jan'", "minute"]),
        ("0 0 0 ? * *", ["'?'", "day of month"]),
        ("0 0 0 L * *", ["'L'", "day of month"]),
        ("0 0 0 15W * *", ["'15W'", "day of month"]),
        ("0 0 0 * * 5#3", ["'5#3'", "day of week"]),
        ("H * * * *", ["'H'", "minute"]),
        ("1,,2 * * * * *", ["''", "second"]),
        ("*/ * * * * *", ["'*/'", "second"]),
        ("*/x * * * * *", ["'*/x'", "second"]),
        ("0 0 0 * 2/Mar *", ["'2/Mar'", "month"]),
        ("*/2/2 * * * * *", ["'*/2/2'", "second"]),
        ("*-5 * * * * *", ["'*-5'", "second"]),
        ("-5 * * * * *", ["'-5'", "second"]),
        ("5- * * * * *", ["'5-'", "second"]),
        ("1-2-3 * * * * *", ["'1-2-3'", "second"]),
        ("1_0 * * * * *", ["'1_0'", "second"]),
        ("٣ * * * * *", ["second"]),
        ("9" * 5000 + " * * * * *", ["second"]),
        ("0\t1 0 * * * *", ["second"]),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_field_and_value(text: str, named: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Schedule.parse(text, UTC)
    for part in named:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "   ", "* * * *", "* * * * * * *", "@daily", "soon", "0\t0\t0\t*\t*\t*"]
)
def test_what_is_neither_ncrontab_nor_a_time_span_is_refused_with_both_forms(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"5 or 6 NCRONTAB fields.*TimeSpan such as 00:05:00"):
        Schedule.parse(text, UTC)


def test_a_number_of_fields_that_is_no_ncrontab_is_told() -> None:
    with pytest.raises(ConfigurationError, match="has 7 fields"):
        parse_ncrontab("* * * * * * 2026")


@pytest.mark.parametrize("text", ["0 0 0 30 2 *", "0 0 0 31 2,4,Jun,9,11 *", "0 0 0 30-31 Feb Mon"])
def test_a_schedule_that_can_never_occur_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="never occurs"):
        Schedule.parse(text, UTC)


@pytest.mark.parametrize("text", ["0 0 0 29 2 *", "0 0 0 31 2,3 *", "0 0 0 29-31 Feb *"])
def test_a_schedule_that_occurs_seldom_is_not_refused(text: str) -> None:
    assert runs(text, "2026-01-01T00:00:00", 1)


# Occurrences on a clock that does not jump


def test_the_next_occurrence_is_strictly_after_the_moment() -> None:
    assert runs("0 0 12 * * *", "2026-06-01T12:00:00", 1) == ["2026-06-02T12:00:00+00:00"]
    assert runs("0 0 12 * * *", "2026-06-01T11:59:59.999999", 1) == ["2026-06-01T12:00:00+00:00"]
    assert runs("0 0 12 * * *", "2026-06-01T12:00:00.000001", 1) == ["2026-06-02T12:00:00+00:00"]


def test_five_fields_run_at_second_zero() -> None:
    assert runs("30 9 * * *", "2026-06-01T00:00:00", 1) == ["2026-06-01T09:30:00+00:00"]


def test_day_of_month_and_day_of_week_must_both_match() -> None:
    assert runs("0 0 0 13 * Fri", "2026-01-01T00:00:00", 3) == [
        "2026-02-13T00:00:00+00:00",
        "2026-03-13T00:00:00+00:00",
        "2026-11-13T00:00:00+00:00",
    ]


def test_sunday_is_the_first_day_of_a_week_from_sunday_to_saturday() -> None:
    assert runs("0 0 0 * * 0", "2026-06-01T00:00:00", 1) == ["2026-06-07T00:00:00+00:00"]
    assert runs("0 0 0 * * 6", "2026-06-01T00:00:00", 1) == ["2026-06-06T00:00:00+00:00"]


def test_months_without_the_day_are_left_out() -> None:
    assert [run[:10] for run in runs("0 0 0 31 * *", "2026-01-31T00:00:00", 3)] == [
        "2026-03-31",
        "2026-05-31",
        "2026-07-31",
    ]


def test_the_rarest_schedule_is_found() -> None:
    assert runs("0 0 0 29 2 Mon", "2072-03-01T00:00:00", 1) == ["2112-02-29T00:00:00+00:00"]


def test_a_year_ends_in_the_next() -> None:
    assert runs("59 59 23 31 12 *", "2026-12-31T23:59:59", 1) == ["2027-12-31T23:59:59+00:00"]


def test_a_moment_in_another_zone_is_understood() -> None:
    assert runs("0 0 9 * * *", "2026-06-01T06:59:00+00:00", 2, BERLIN) == [
        "2026-06-01T09:00:00+02:00",
        "2026-06-02T09:00:00+02:00",
    ]


def test_upcoming_gives_as_many_as_asked_for() -> None:
    assert runs("0 */20 * * * *", "2026-06-01T00:00:00", 4) == [
        "2026-06-01T00:20:00+00:00",
        "2026-06-01T00:40:00+00:00",
        "2026-06-01T01:00:00+00:00",
        "2026-06-01T01:20:00+00:00",
    ]


# Summer time


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("0 */30 1 * * *", False),
        ("0 0,30 1 * * *", False),
        ("0 30 1-1 * * *", False),
        ("0 30 1 * * *", False),
        ("0 30 1 * * 1-5", False),
        ("0 30 1 1-7 */2 *", False),
        ("0 */30 * * * *", True),
        ("0 0 1-3 * * *", True),
        ("0 0,1 2 * * *", True),
        ("*/1 0 2 * * *", True),
        ("0 0 */1 * * *", True),
        ("0 0 */2 * * *", False),
    ],
)
def test_an_expression_is_an_interval_when_its_normal_form_has_a_range(text: str, interval: bool) -> None:
    assert parse_ncrontab(text).is_interval is interval


def test_an_interval_runs_through_the_repeated_hour() -> None:
    assert runs("0 */30 * * * *", "2026-10-25T01:30:00+02:00", 6, BERLIN) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]
    assert runs("0 */30 * * * *", "2026-11-01T01:15:00-04:00", 3, NEW_YORK) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T01:30:00-05:00",
    ]


def test_a_point_in_time_runs_only_in_the_first_pass_of_the_repeated_hour() -> None:
    assert runs("0 */30 2 * * *", "2026-10-24T12:00:00", 3, BERLIN) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:00:00+01:00",
    ]
    assert runs("0 30 1 * * *", "2026-10-31T12:00:00", 2, NEW_YORK) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-02T01:30:00-05:00",
    ]


def test_a_point_in_time_asked_for_in_the_second_pass_waits_for_another_day() -> None:
    assert runs("0 45 2 * * *", "2026-10-25T02:10:00+01:00", 1, BERLIN) == ["2026-10-26T02:45:00+01:00"]


def test_a_point_right_after_the_repeated_hour_is_kept() -> None:
    assert runs("0 0 3 * * *", "2026-10-25T02:30:00+02:00", 1, BERLIN) == ["2026-10-25T03:00:00+01:00"]


def test_a_seldom_interval_is_not_lost_to_the_same_day_of_next_year() -> None:
    assert runs("0 0-30 2 25 10 *", "2026-10-25T02:45:00+02:00", 1, BERLIN) == ["2026-10-25T02:00:00+01:00"]


def test_an_occurrence_in_the_gap_is_shifted_by_its_width() -> None:
    assert runs("0 30 2 * * *", "2026-03-28T12:00:00", 2, BERLIN) == [
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert runs("0 15 2 * * *", "2026-03-07T12:00:00", 2, NEW_YORK) == [
        "2026-03-08T03:15:00-04:00",
        "2026-03-09T02:15:00-04:00",
    ]


def test_several_occurrences_in_the_gap_are_all_shifted() -> None:
    assert runs("0 0,30 2 * * *", "2026-03-29T01:00:00", 3, BERLIN) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:00:00+02:00",
    ]


def test_shifted_and_proper_occurrences_at_one_instant_are_one() -> None:
    assert runs("0 15,45 2,3 * * *", "2026-03-29T01:00:00", 3, BERLIN) == [
        "2026-03-29T03:15:00+02:00",
        "2026-03-29T03:45:00+02:00",
        "2026-03-30T02:15:00+02:00",
    ]


def test_an_interval_goes_on_evenly_over_the_gap() -> None:
    assert runs("0 */20 * * * *", "2026-03-29T01:30:00", 4, BERLIN) == [
        "2026-03-29T01:40:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:20:00+02:00",
        "2026-03-29T03:40:00+02:00",
    ]


def test_a_gap_of_half_an_hour_mixes_shifted_and_proper_occurrences_in_order() -> None:
    # On Lord Howe Island 02:00 becomes 02:30: 02:20 comes at 02:50, after the proper 02:35.
    assert runs("0 20,35 2 * * *", "2026-10-04T01:00:00", 3, LORD_HOWE) == [
        "2026-10-04T02:35:00+11:00",
        "2026-10-04T02:50:00+11:00",
        "2026-10-05T02:20:00+11:00",
    ]


def test_a_yearly_schedule_keeps_its_wall_clock_time() -> None:
    assert runs("0 0 9 1 7 *", "2026-01-01T00:00:00", 2, BERLIN) == [
        "2026-07-01T09:00:00+02:00",
        "2027-07-01T09:00:00+02:00",
    ]


# Properties

subsets = {
    name: st.one_of(st.just(values), st.sets(st.sampled_from(values), min_size=1))
    for name, values in ALL.items()
}
crons = st.builds(lambda **fields: {name: tuple(sorted(some)) for name, some in fields.items()}, **subsets)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def expression(fields: dict[str, tuple[int, ...]]) -> str:
    return " ".join(",".join(map(str, values)) for values in fields.values())


def matches(cron: Ncrontab, wall: datetime) -> bool:
    return (
        wall.second in cron.seconds
        and wall.minute in cron.minutes
        and wall.hour in cron.hours
        and wall.day in cron.days
        and wall.month in cron.months
        and wall.isoweekday() % 7 in cron.weekdays
        and wall.microsecond == 0
    )


@given(crons, moments)
@settings(max_examples=60, deadline=None)
def test_the_next_occurrence_is_later_and_matches_every_field(
    fields: dict[str, tuple[int, ...]], moment: datetime
) -> None:
    try:
        cron = parse_ncrontab(expression(fields))
    except ConfigurationError as error:
        assert "never occurs" in str(error)
        return
    assert {name: getattr(cron, name) for name in ALL} == fields
    found = Schedule.parse(expression(fields), UTC).next_after(moment)
    assert found is not None
    assert found > moment
    assert matches(cron, found)


minutes = st.sets(st.sampled_from(range(60)), min_size=1, max_size=4)
hours = st.one_of(st.just(set(range(24))), st.sets(st.sampled_from(range(5)), min_size=1))
days_of_change = st.sampled_from(
    [
        (BERLIN, datetime(2026, 3, 29, tzinfo=UTC)),
        (BERLIN, datetime(2026, 10, 24, 22, tzinfo=UTC)),
        (NEW_YORK, datetime(2026, 3, 8, 5, tzinfo=UTC)),
        (NEW_YORK, datetime(2026, 11, 1, 3, tzinfo=UTC)),
        (LORD_HOWE, datetime(2026, 4, 4, 13, tzinfo=UTC)),
        (LORD_HOWE, datetime(2026, 10, 3, 13, tzinfo=UTC)),
    ]
)


@given(minutes, hours, days_of_change)
@settings(max_examples=60, deadline=None)
def test_around_a_change_of_the_clock_the_runs_are_those_of_the_rule(
    some_minutes: set[int], some_hours: set[int], day: tuple[ZoneInfo, datetime]
) -> None:
    zone, start = day
    text = f"0 {','.join(map(str, some_minutes))} {','.join(map(str, some_hours))} * * *"
    schedule, end = Schedule.parse(text, zone), start + timedelta(hours=8)
    found: list[datetime] = []
    moment = start
    while (following := schedule.next_after(moment)) is not None and following.astimezone(UTC) < end:
        moment = following
        found.append(following.astimezone(UTC))
    assert found == sorted(by_rule(parse_ncrontab(text), zone, start, end))


def by_rule(cron: Ncrontab, zone: ZoneInfo, start: datetime, end: datetime) -> set[datetime]:
    """Every wall-clock minute of some days, turned into instants by what the rule says of it."""
    instants = set()
    wall = start.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    for minute in range(3 * 24 * 60):
        time = (wall + timedelta(minutes=minute)).replace(second=0)
        if matches(cron, time):
            instants |= {
                time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in folds(cron, zone, time)
            }
    return {instant for instant in instants if start < instant < end}


def folds(cron: Ncrontab, zone: ZoneInfo, time: datetime) -> tuple[int, ...]:
    first, second = (time.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    return (0, 1) if cron.is_interval and first > second else (0,)


# Intervals and single moments


def test_a_time_span_is_reckoned_from_the_last_run() -> None:
    assert runs("00:05:00", "2026-06-01T12:00:01.5", 2) == [
        "2026-06-01T12:05:01.500000+00:00",
        "2026-06-01T12:10:01.500000+00:00",
    ]


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("24:00:00", timedelta(days=24)),
        ("23:00:00", timedelta(hours=23)),
        ("1", timedelta(days=1)),
        ("1.12:00:00", timedelta(days=1.5)),
        ("00:00:10", timedelta(seconds=10)),
    ],
)
def test_a_time_span_is_read_as_in_dotnet(text: str, interval: timedelta) -> None:
    schedule = Schedule.parse(text, UTC)
    assert isinstance(schedule, IntervalSchedule)
    assert schedule.interval == interval


def test_a_time_span_is_time_that_passes_also_over_a_change_of_the_clock() -> None:
    assert runs("02:00:00", "2026-10-25T01:30:00", 1, BERLIN) == ["2026-10-25T02:30:00+01:00"]


@pytest.mark.parametrize("text", ["00:00:00", "-00:05:00", "9999999"])
def test_a_time_span_that_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="more than zero"):
        Schedule.parse(text, UTC)


@pytest.mark.parametrize(
    ("text", "frequent"),
    [
        ("* * * * * *", True),
        ("*/30 * * * * *", True),
        ("0,1 * * * * *", True),
        ("0 * * * * *", False),
        ("*/10 * * * * 1-5", False),
        ("*/10 */1 0-23 1-31 Jan-Dec *", True),
        ("00:00:59", True),
        ("00:01:00", False),
    ],
)
def test_a_schedule_below_a_minute_is_frequent(text: str, frequent: bool) -> None:
    assert Schedule.parse(text, UTC).is_frequent is frequent


def test_a_single_moment_is_due_once() -> None:
    schedule = Schedule.at("2026-06-01T12:00:00+02:00", BERLIN)
    before = datetime(2026, 6, 1, 9, 59, 59, tzinfo=UTC)
    assert [found.isoformat() for found in schedule.upcoming(before, 5)] == ["2026-06-01T12:00:00+02:00"]
    assert schedule.next_after(before + timedelta(seconds=1)) is None
    assert not schedule.is_frequent


def test_a_single_moment_without_an_offset_is_in_the_zone() -> None:
    found = Schedule.at("2026-01-31 18:00", NEW_YORK).next_after(datetime(2026, 1, 1, tzinfo=UTC))
    assert found is not None
    assert found.isoformat() == "2026-01-31T18:00:00-05:00"


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-02-30T00:00", "18:00", "0001-01-01T00:00"])
def test_a_single_moment_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a time"):
        Schedule.at(text, BERLIN)


# The occurrence before


@pytest.mark.parametrize(
    ("schedule", "moment", "before"),
    [
        ("0 */5 * * * *", "2026-06-01T12:00:00+00:00", "2026-06-01T11:55:00+00:00"),
        ("0 */5 * * * *", "2026-06-01T12:00:01+00:00", "2026-06-01T12:00:00+00:00"),
        ("* * * * * *", "2026-06-01T12:00:00+00:00", "2026-06-01T11:59:59+00:00"),
        ("0 0 0 29 2 *", "2026-06-01T12:00:00+00:00", "2024-02-29T00:00:00+00:00"),
        ("00:10:00", "2026-06-01T12:00:00+00:00", "2026-06-01T11:50:00+00:00"),
    ],
)
def test_the_last_occurrence_before_a_moment_is_found(schedule: str, moment: str, before: str) -> None:
    found = Schedule.parse(schedule, UTC).last_before(datetime.fromisoformat(moment))
    assert found == datetime.fromisoformat(before)


def test_the_last_occurrence_before_a_moment_heeds_summer_time() -> None:
    # 02:30 does not exist on that day: the occurrence comes an hour later.
    schedule = Schedule.parse("0 30 2 * * *", ZoneInfo("Europe/Berlin"))
    found = schedule.last_before(datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert found is not None and found.isoformat() == "2026-03-29T03:30:00+02:00"


def test_a_single_moment_has_none_before_it() -> None:
    schedule = Schedule.at("2026-06-01T12:00:00", UTC)
    assert schedule.last_before(datetime(2026, 6, 1, 12, tzinfo=UTC)) is None
    assert schedule.last_before(datetime(2026, 6, 1, 13, tzinfo=UTC)) == datetime(2026, 6, 1, 12, tzinfo=UTC)
