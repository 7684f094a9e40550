"""Cookies that functions set: python-model.md 2, and how Azure's host writes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apps.serving import Host, serve

EVERYTHING = (
    "foo3=42; Domain=example.com; Expires=Thu, 12-Jan-2017 13:55:08 GMT; Path=/; Max-Age=10000000; "
    "Secure; HttpOnly"
)
AS_AZURE_WRITES_IT = (
    "foo3=42; expires=Thu, 12 Jan 2017 13:55:08 GMT; max-age=10000000; domain=example.com; path=/; "
    "secure; httponly"
)


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("cookies", request.param, tmp_path_factory.mktemp("app"))


def cookies(host: Host, *headers: str) -> list[str]:
    """The Set-Cookie headers of a response for which the function set these, without empty attributes."""
    return [sent.replace("; domain=;", ";").replace("; path=;", ";")[:-1] for sent in written(host, *headers)]


def written(host: Host, *headers: str) -> list[str]:
    """The same as they are sent, each with a semicolon at its end."""
    answer = host.post("/api/set", "\n".join(headers))
    assert (answer.status, answer.text) == (200, "set")
    return [f"{sent};" for sent in answer.all("Set-Cookie")]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("foo=bar", "foo=bar; domain=; path=;"),
        ("a=1; Path=/; Secure", "a=1; domain=; path=/; secure;"),
        ("a=1; Domain=example.com; HttpOnly", "a=1; domain=example.com; path=; httponly;"),
        ("__Host-id=1; Path=/; Secure", "__Host-id=1; path=/; secure;"),
    ],
)
def test_attributes_without_a_value_are_written_as_azure_does(host: Host, given: str, sent: str) -> None:
    assert written(host, given) == [sent]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("foo=bar", "foo=bar"),
        ("a=", "a="),
        ("a=1; Path=/; Secure; HttpOnly", "a=1; path=/; secure; httponly"),
        ("a=1;path=/x;SECURE;HTTPONLY", "a=1; path=/x; secure; httponly"),
        ("a=1; HttpOnly; SameSite=Lax", "a=1; samesite=lax; httponly"),
        ("a=1; SameSite=STRICT", "a=1; samesite=strict"),
        ("a=1; SameSite=None; Secure", "a=1; secure; samesite=none"),
        ("a=1; SameSite=Whatever", "a=1"),
        ("a=1; Domain=example.com", "a=1; domain=example.com"),
        ("a=1; Max-Age=60", "a=1; max-age=60"),
        ("a=1; Max-Age=0", "a=1; max-age=0"),
        ("a=1; Max-Age=1.5", "a=1; max-age=1"),
        ("a=1; Max-Age=", "a=1"),
        ("a=1; Secure=false", "a=1; secure"),
        ("__Host-id=1; Path=/; Secure", "__Host-id=1; path=/; secure"),
        (EVERYTHING, AS_AZURE_WRITES_IT),
    ],
)
def test_a_cookie_and_its_attributes(host: Host, given: str, sent: str) -> None:
    assert cookies(host, given) == [sent]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ('a="x y"', "a=x%20y"),
        ("a=/p:q=", "a=%2Fp%3Aq%3D"),
        ("a=abc-1._~", "a=abc-1._~"),
        (r'a="q\"q"', "a=q%22q"),
        (r'a="\015\012X-B: 1"', "a=%0D%0AX-B%3A%201"),
    ],
)
def test_a_value_is_percent_encoded(host: Host, given: str, sent: str) -> None:
    assert cookies(host, given) == [sent]


@pytest.mark.parametrize(
    ("expires", "sent"),
    [
        ("Thu, 12 Jan 2017 13:55:08 GMT", "Thu, 12 Jan 2017 13:55:08 GMT"),
        ("12-Jan-2017", "Thu, 12 Jan 2017 00:00:00 GMT"),
        ('"12 Jan 2017 13:55:08 +0200"', "Thu, 12 Jan 2017 11:55:08 GMT"),
        ('"Thu Jan 12 13:55:08 2017"', "Thu, 12 Jan 2017 13:55:08 GMT"),
        ("2017-01-12T13:55:08+00:00", "Thu, 12 Jan 2017 13:55:08 GMT"),
        ("2017-01-12", "Thu, 12 Jan 2017 00:00:00 GMT"),
    ],
)
def test_dates_of_several_forms_are_sent_in_one(host: Host, expires: str, sent: str) -> None:
    assert cookies(host, f"a=1; Expires={expires}") == [f"a=1; expires={sent}"]


def test_several_cookies_all_arrive(host: Host) -> None:
    assert cookies(host, "a=1; Path=/", "b=2; Secure", "a=3") == ["a=1; path=/", "b=2; secure", "a=3"]


def test_one_header_may_set_two(host: Host) -> None:
    assert cookies(host, "a=1; b=2; Path=/b") == ["a=1", "b=2; path=/b"]


@pytest.mark.parametrize(
    "given",
    [
        "Dummy",
        "words=my secret",
        "foo3=42; Expires=Thu, 12-Jan-2017 13:55:08 GMT; Path=/; Max-Age=Dummy; SecureFalse; HttpOnly",
        'prefs={"theme":"dark"}',
        "late=1; Expires=Thursday, 12-Jan-17 13:55:08 GMT",
        "Path=/; a=1",
    ],
)
def test_a_cookie_that_does_not_parse_is_left_out_and_told(host: Host, given: str) -> None:
    assert cookies(host, given, "b=2") == ["b=2"]
    host.wait_for(f"The cookie '{given.partition('=')[0]}' was not sent")
    assert "secret" not in host.log


def test_an_empty_header_sets_no_cookie(host: Host) -> None:
    assert cookies(host, "") == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("when=1; Expires=Dummy", "The cookie 'when' has an Expires that is not a date: 'Dummy'"),
        ("zero=1; Expires=0", "The cookie 'zero' has an Expires that is not a date: '0'"),
        ("far=1; Expires=9999-12-31T23:59:59-05:00", "The cookie 'far' has an Expires that is not a date"),
        ("age=1; Max-Age=soon", "The cookie 'age' has a Max-Age that is not a number of seconds: 'soon'"),
        ("a=1; Max-Age=inf", "has a Max-Age that is not a number of seconds: 'inf'"),
        ("a@b=1", "Illegal key 'a@b'"),
    ],
)
def test_a_cookie_that_makes_no_sense_fails_the_invocation(host: Host, given: str, reason: str) -> None:
    answer = host.post("/api/set", given)
    assert (answer.status, answer.body, answer.all("Set-Cookie")) == (500, b"", [])
    host.wait_for(reason)
    assert cookies(host, "a=1") == ["a=1"]


def test_a_path_cannot_smuggle_headers(host: Host) -> None:
    answer = host.post("/api/set", r'a=1; Path="/\015\012X-B: 1"')
    assert (answer.status, answer.header("X-B")) == (500, None)
