"""Cookies: what a ``Set-Cookie`` header of a `func.HttpResponse` comes to.

As on Azure a header is not passed on but read, and the host writes it anew. So what cannot be read is lost.
"""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any

from .errors import BindError

_SAME_SITES = ("lax", "strict", "none")


def read_cookies(header: str) -> list[dict[str, Any]]:
    """The cookies that a header sets, as the `cookies` of a response object name them.

    A header that does not parse sets none, and the log says so. Raises `BindError` for a name that no cookie can
    have, an Expires that is not a date and a Max-Age that is not a number.
    """
    try:
        cookies = SimpleCookie(header)
    except CookieError as error:
        raise BindError(f"A Set-Cookie header cannot be sent: {error}.") from None
    if not cookies and header:
        _warn(header.partition("=")[0].strip())
    return [_described(name, cookie) for name, cookie in cookies.items()]


def _warn(name: str) -> None:
    logging.getLogger("funchost").warning(
        "The cookie '%s' was not sent, because its Set-Cookie header cannot be read (Azure would drop it without "
        "a word). After the value may come Path=, Domain=, Expires=, Max-Age=, SameSite=, Secure and HttpOnly; "
        "values with spaces, commas or quotes inside need quotes around them.",
        name,
    )


def _described(name: str, cookie: Morsel[str]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "value": cookie.value}
    for attribute in ("domain", "path"):
        # Azure writes empty ones too. They mean nothing to browsers, but no __Host- cookie may have them.
        if cookie[attribute] or not name.startswith("__Host-"):
            described[attribute] = cookie[attribute]
    if cookie["expires"]:
        described["expires"] = _expires(name, cookie["expires"])
    if cookie["max-age"]:
        described["maxAge"] = _max_age(name, cookie["max-age"])
    if cookie["samesite"].lower() in _SAME_SITES:
        described["sameSite"] = cookie["samesite"]
    # Being there is what counts: "Secure=false" is secure.
    described["secure"] = bool(cookie["secure"])
    described["httpOnly"] = bool(cookie["httponly"])
    return described


def _expires(name: str, text: str) -> str:
    """The moment in the one form that HTTP knows."""
    moment = _moment(text)
    if moment is None:
        raise BindError(
            f"The cookie {name!r} has an Expires that is not a date: {text!r}. Write it as in "
            "'Thu, 12 Jan 2017 13:55:08 GMT'."
        )
    return format_datetime(moment, usegmt=True)


def _moment(text: str) -> datetime | None:
    """A date of HTTP and mail, also with hyphens or without a time, or one of ISO 8601; UTC unless it says more."""
    for read, form in (
        (parsedate_to_datetime, text),
        (parsedate_to_datetime, f"{text} 00:00:00 GMT"),
        (datetime.fromisoformat, text),
    ):
        try:
            moment = read(form)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (TypeError, ValueError, IndexError, OverflowError):
            continue
    return None


def _max_age(name: str, text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise BindError(f"The cookie {name!r} has a Max-Age that is not a number of seconds: {text!r}.")
    return int(seconds)
