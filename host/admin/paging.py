"""Lists in pages: how many at most, and the mark at which the next page begins."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from ...bindings.errors import BindingError

T = TypeVar("T")

MOST = 1000

#: What a page is asked for by, in every list.
Limit = Annotated[int, msgspec.Meta(ge=1, le=MOST, description=f"How many at most; up to {MOST}.")]
Next = Annotated[str | None, msgspec.Meta(description="Where to go on: the `next` of the page before.")]


class Page(msgspec.Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """A part of a list, and where the next part begins (null: there is none)."""

    items: list[T]
    next: str | None


class Paged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a list."""

    limit: Limit = 100
    next: Next = None

    @property
    def after(self) -> str | None:
        """What the page before ended with. Raises `BindingError` for a mark that no page gave."""
        return None if self.next is None else read_mark(self.next)


def mark(last: str) -> str:
    """What stands for the end of a page; callers make nothing of it."""
    content = last.encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(_check(content) + content).decode().rstrip("=")


def read_mark(text: str) -> str:
    """What `mark` was made of. Raises `BindingError`."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        read = base64.b64decode(padded, b"-_", validate=True)
        check, content = read[:4], read[4:]
        if check == _check(content):
            return content.decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeError):
        pass
    raise BindingError("'next' is not what an answer gave as its 'next'.")


def _check(content: bytes) -> bytes:
    """Tells a mark from what somebody made up, or cut short."""
    return zlib.crc32(content).to_bytes(4)


def page(
    found: Sequence[T], limit: int, key: Callable[[T], str], document: Callable[[T], Any]
) -> dict[str, Any]:
    """A page of what was `found`, where one more than the `limit` was asked for; `key` is what the next goes on after."""
    shown = found[:limit]
    more = mark(key(shown[-1])) if len(found) > limit else None
    return {"items": [document(one) for one in shown], "next": more}


def page_of_all(
    all_of_them: Iterable[T],
    asked: Paged,
    key: Callable[[T], str],
    document: Callable[[T], Any],
    *,
    backwards: bool = False,
) -> dict[str, Any]:
    """A page of a list that is known as a whole; it is in the order of `key`, or `backwards` in that."""
    after = asked.after
    ordered = sorted(all_of_them, key=key, reverse=backwards)
    rest = [one for one in ordered if after is None or (key(one) < after if backwards else key(one) > after)]
    return page(rest, asked.limit, key, document)
