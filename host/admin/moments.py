"""Moments in queries and bodies: a time as ISO 8601, or an age before now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from ...bindings.errors import BindingError, FunchostError
from ...bindings.time_span import parse_duration

Since = Annotated[
    str | None,
    msgspec.Meta(
        description="A time as ISO 8601 (in UTC unless it says otherwise), or an age such as `30m` or `2d`."
    ),
]


def parse_since(text: str | None, name: str, now: datetime) -> datetime | None:
    """The moment that the parameter `name` says; None where it says nothing. Raises `BindingError`."""
    if text is None:
        return None
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    try:
        return now - parse_duration(text)
    except (FunchostError, ValueError, OverflowError):
        raise BindingError(
            f"The parameter '{name}' is no time: '{text[:60]}'. Write an age such as 30m, 1h or 2d, or a time as "
            "ISO 8601, such as 2030-01-31T18:00:00Z."
        ) from None


def parse_moment(text: str | None, name: str) -> datetime | None:
    """As `parse_since`, for what is no time to look back to: ages are refused."""
    if text is None:
        return None
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise BindingError(
            f"'{name}' is no time: '{text[:60]}'. Write it as ISO 8601, such as 2030-01-31T18:00:00Z."
        ) from None


def _in_utc(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC)
