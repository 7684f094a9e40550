import re
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from funchost.bindings.date_format import format_date
from funchost.bindings.expressions import ExpressionError, Template, payload_metadata, resolve_settings

NOW = datetime(2024, 3, 5, 14, 7, 9, 123456, UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def render(text: str, metadata: dict[str, Any] | None = None) -> str:
    return Template.parse(text).render(metadata or {}, function="Orders", clock=FixedClock())


def test_names_are_found_in_any_case_and_braces_are_written_twice() -> None:
    assert render("out/{ORDERid}-{{x}}.txt", {"orderId": 7}) == "out/7-{x}.txt"
    assert render("{{{a}}}", {"a": "b"}) == "{b}"


def test_dots_go_into_objects() -> None:
    metadata = {"customer": {"Address": {"city": "Bonn"}}}
    assert render("{customer.address.CITY}", metadata) == "Bonn"
    with pytest.raises(ExpressionError, match=r"customer\.name"):
        render("{customer.name}", metadata)
    with pytest.raises(ExpressionError, match=r"customer\.address\.city\.x"):
        render("{customer.address.city.x}", metadata)


def test_a_name_without_a_value_is_told() -> None:
    with pytest.raises(ExpressionError, match=r"no value for \{id\}"):
        render("{id}")


@pytest.mark.parametrize(
    "text", ["{}", "{a", "a}", "{a b}", "{1a}", "{a-b.c}", "{a..b}", "{a[0]}", "{a{b}}", "{ a }"]
)
def test_what_is_no_expression_is_told_when_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        Template.parse(text)


def test_hyphens_are_fine_in_a_single_name_and_in_later_parts() -> None:
    assert render("{a-b}{c.d-e}", {"a-b": 1, "c": {"d-e": 2}}) == "12"


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (":N", r"[0-9a-f]{32}"),
        (":d", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (":B", r"\{[0-9a-f-]{36}\}"),
        (":P", r"\([0-9a-f-]{36}\)"),
        (":X", r"\{0x[0-9a-f]{8},0x[0-9a-f]{4},0x[0-9a-f]{4},\{0x[0-9a-f]{2}(,0x[0-9a-f]{2}){7}\}\}"),
    ],
)
def test_rand_guid_takes_every_guid_format(form: str, pattern: str) -> None:
    assert re.fullmatch(pattern, render(f"{{rand-guid{form}}}"))


def test_every_occurrence_of_rand_guid_is_new() -> None:
    first, second = render("{rand-guid}/{sys.randguid}").split("/")
    assert uuid.UUID(first) != uuid.UUID(second)


def test_the_hexadecimal_guid_form_keeps_the_bytes_in_order() -> None:
    value = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    text = render("{g:X}", {"g": value})
    assert text == "{0x00112233,0x4455,0x6677,{0x88,0x99,0xaa,0xbb,0xcc,0xdd,0xee,0xff}}"


def test_built_ins_give_time_and_function() -> None:
    assert render("{DateTime}") == "2024-03-05T14-07-09Z"
    assert render("{datetime:yyyy/MM/dd}") == "2024/03/05"
    assert render("{sys.utcnow:HH:mm}|{sys.MethodName}") == "14:07|Orders"


def test_what_the_event_says_goes_before_a_built_in() -> None:
    assert render("{datetime}{sys.methodname}", {"DateTime": "x", "sys": {"methodName": "y"}}) == "xy"


@pytest.mark.parametrize(
    "text", ["{rand-guid:Q}", "{datetime:q}", "{sys.utcnow:ffffffff}", '{datetime:yyyy"}']
)
def test_a_bad_format_is_told_when_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        Template.parse(text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("d", "03/05/2024"),
        ("D", "Tuesday, 05 March 2024"),
        ("F", "Tuesday, 05 March 2024 14:07:09"),
        ("g", "03/05/2024 14:07"),
        ("M", "March 05"),
        ("O", "2024-03-05T14:07:09.1234560Z"),
        ("r", "Tue, 05 Mar 2024 14:07:09 GMT"),
        ("s", "2024-03-05T14:07:09"),
        ("u", "2024-03-05 14:07:09Z"),
        ("Y", "2024 March"),
        ("yy y yyyyy", "24 24 02024"),
        ("M MM MMM MMMM d dd ddd dddd", "3 03 Mar March 5 05 Tue Tuesday"),
        ("h hh H HH m mm s ss t tt", "2 02 14 14 7 07 9 09 P PM"),
        ("f fff fffffff FFFFFFF", "1 123 1234560 123456"),
        ("z zz zzz K", "+0 +00 +00:00 Z"),
        ("%d", "5"),
        ("yyyy'year'\\d\"day\"", "2024yeardday"),
        ("yyyy-MM-ddTHH-mm-ssK", "2024-03-05T14-07-09Z"),
    ],
)
def test_dates_follow_the_formats_of_dotnet(form: str, text: str) -> None:
    assert format_date(NOW, form) == text


def test_an_offset_shows_in_a_date() -> None:
    west = NOW.astimezone(timezone(-timedelta(hours=3, minutes=30)))
    assert format_date(west, "z zz zzz K") == "-3 -03 -03:30 -03:30"
    assert format_date(west, "u") == "2024-03-05 14:07:09Z"


def test_values_read_as_text() -> None:
    metadata: dict[str, Any] = {
        "t": True,
        "f": 1.5,
        "w": 2.0,
        "n": None,
        "o": {},
        "l": [1],
        "b": b"x",
        "d": NOW,
        "e": "",
    }
    assert render("{t} {f} {w} [{n}{o}{l}{b}{e}] {d} {d:yyyy}", metadata) == (
        "True 1.5 2 [] 2024-03-05T14-07-09Z 2024"
    )


def test_a_template_says_what_it_needs() -> None:
    template = Template.parse("{a.b}/{c}/{rand-guid}")
    assert template.names == {"a", "c"}
    assert not template.is_literal
    assert Template.parse("a{{b").is_literal


def test_settings_are_put_in_once() -> None:
    settings = {"A": "1", "B": "%A%"}
    assert resolve_settings("x-%A%-%B%", settings.get) == "x-1-%A%"


@pytest.mark.parametrize("text", ["%A", "%%", "%NONE%", "%EMPTY%", "a%b%c%"])
def test_a_setting_without_a_value_is_told(text: str) -> None:
    with pytest.raises(ExpressionError, match="%"):
        resolve_settings(text, {"A": "1", "EMPTY": "", "b": "x"}.get)


def test_a_json_object_gives_its_properties() -> None:
    payload = ' {"id": 5, "ok": true, "x": 1.0, "at": "2024-01-01T00:00:00Z", "no": null, "l": [1], "o": {"a": [1]}}\n'
    assert payload_metadata(payload) == {
        "id": "5",
        "ok": "True",
        "x": "1",
        "at": "2024-01-01T00:00:00Z",
        "o": {"a": [1]},
    }
    assert payload_metadata(payload.encode()) == payload_metadata(payload)


@pytest.mark.parametrize(
    "payload", ["", "text", "[1]", "{not json}", "{" * 100_000, b'{"a": "\xff"}', '{"a": NaN}']
)
def test_any_other_payload_gives_nothing(payload: str | bytes) -> None:
    assert payload_metadata(payload) == {}


def test_deeply_nested_json_gives_nothing() -> None:
    assert payload_metadata('{"a":' * 100_000 + "1" + "}" * 100_000) == {}
