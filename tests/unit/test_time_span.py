from datetime import timedelta

import pytest

from funchost.bindings.errors import ConfigurationError
from funchost.bindings.time_span import (
    format_time_span,
    parse_duration,
    parse_time_span,
    parse_time_span_or_milliseconds,
)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("00:00:01", timedelta(seconds=1)),
        ("1:2", timedelta(hours=1, minutes=2)),
        ("23:59:59.5", timedelta(hours=23, minutes=59, seconds=59.5)),
        ("00:00:00.0000019", timedelta(microseconds=1)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("1:02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("2.03:04", timedelta(days=2, hours=3, minutes=4)),
        ("1", timedelta(days=1)),
        ("-00:00:05", timedelta(seconds=-5)),
        (" 00:10:00 ", timedelta(minutes=10)),
        ("10675199.02:48:05.4775807", timedelta(10675199, 10085, 477580)),
    ],
)
def test_a_time_span_text_is_read(text: str, length: timedelta) -> None:
    assert parse_time_span(text) == length


def test_a_first_part_that_is_no_hour_is_days() -> None:
    assert parse_time_span("24:00:00") == timedelta(days=24)
    assert parse_time_span("90:13:10") == timedelta(days=90, hours=13, minutes=10)


@pytest.mark.parametrize(
    "text", ["", "soon", "24:00", "00:60", "00:00:60", "1:2:3:4:5", "10m", "99999999999", "٣"]
)
def test_what_is_no_time_span_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="hh:mm:ss"):
        parse_time_span(text)


def test_a_number_is_milliseconds_where_the_setting_says_so() -> None:
    assert parse_time_span_or_milliseconds(2500) == timedelta(seconds=2.5)
    assert parse_time_span_or_milliseconds("00:00:02") == timedelta(seconds=2)


@pytest.mark.parametrize("text", ["00:00:00", "01:02:03", "1.02:03:04", "00:00:00.250000", "-00:00:05"])
def test_a_formatted_duration_reads_back_as_itself(text: str) -> None:
    assert format_time_span(parse_time_span(text)) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("1h30m", 5400),
        ("00:10:00", 600),
        ("45s", 45),
        ("250ms", 0.25),
        ("2D", 172800),
        ("1.5h", 5400),
    ],
)
def test_a_typed_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10x", "10m!", "-5s", "1h 30m"])
def test_what_is_no_typed_duration_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="1h30m"):
        parse_duration(text)
