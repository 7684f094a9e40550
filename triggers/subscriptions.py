"""Who wants to know of which blobs, and what a notification means for them.

Notifications come late, twice and out of order. So each says only where to look; what the store has there is the
truth, and who is told of it once more takes it for no news.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ..bindings.blob import BlobInfo, NotifyingBlobs

#: Blobs whose latest notification is remembered.
REMEMBERED = 10_000


class Place(NamedTuple):
    """Where to look: a blob of a store, there or not."""

    blobs: NotifyingBlobs
    container: str
    name: str

    @property
    def path(self) -> str:
        """``container/name``."""
        return f"{self.container}/{self.name}"


class Subscriber(Protocol):
    """Is told what became of some blobs."""

    def wants(self, container: str, name: str) -> bool:
        """Whether it is for that blob."""

    async def sight(self, infos: Sequence[BlobInfo]) -> None:
        """These are there now; each may have been told before. Raises what keeps them from being recorded."""

    async def forget(self, paths: Iterable[str]) -> None:
        """These are gone. Raises what keeps that from being recorded."""


class Subscriptions:
    """The subscribers to one queue of notifications."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[Subscriber, NotifyingBlobs]] = []
        self._latest = _Latest()
        #: When a subscriber last came or went, on the event loop's clock.
        self.changed = 0.0

    def __bool__(self) -> bool:
        return bool(self._subscribers)

    def add(self, subscriber: Subscriber, blobs: NotifyingBlobs) -> None:
        """Tell this one of these blobs, too."""
        self._subscribers.append((subscriber, blobs))
        # What the others have been told is news to it.
        self._latest = _Latest()
        self.changed = asyncio.get_running_loop().time()

    def remove(self, subscriber: Subscriber) -> None:
        """Tell this one no more."""
        self._subscribers = [each for each in self._subscribers if each[0] is not subscriber]
        self.changed = asyncio.get_running_loop().time()

    def read(self, body: bytes) -> tuple[dict[Place, str], list[str]]:
        """The blobs that a message tells of and somebody wants, each with the order of its change; and what there
        is in a message that nobody wants. Raises `BindingError` for what is no notification."""
        found: dict[Place, str] = {}
        others: list[str] = []
        for blobs in {id(blobs): blobs for _, blobs in self._subscribers}.values():
            notification = blobs.notification(body)
            others += notification.others
            for change in notification.changes:
                place = Place(blobs, change.container, change.name)
                if any(_wants(each, place) for each in self._subscribers):
                    found[place] = later(change.order, found.get(place))
        return found, [] if found else others

    async def record(self, places: Mapping[Place, str]) -> dict[Place, Exception]:
        """Tell everybody what is at these places now. Returns where that failed, and why."""
        latest = self._latest
        due = [place for place, order in places.items() if not latest.covers(place, order)]
        looked = await asyncio.gather(
            *(place.blobs.info(place.container, place.name) for place in due), return_exceptions=True
        )
        failed: dict[Place, Exception] = {}
        found: dict[Place, BlobInfo | None] = {}
        for place, outcome in zip(due, looked, strict=True):
            if isinstance(outcome, Exception):
                failed[place] = outcome
            elif not isinstance(outcome, BaseException):
                found[place] = outcome
        for failures in await asyncio.gather(*(_tell(each, found) for each in self._subscribers)):
            failed |= failures
        for place in due:
            if place not in failed:
                latest.note(place, places[place])
        return failed


def later(order: str, other: str | None) -> str:
    """The order of the later of two changes; empty when that cannot be said."""
    if other is None:
        return order
    return max(order, other) if len(order) == len(other) else ""


def _wants(subscription: tuple[Subscriber, NotifyingBlobs], place: Place) -> bool:
    subscriber, blobs = subscription
    return blobs is place.blobs and subscriber.wants(place.container, place.name)


async def _tell(
    subscription: tuple[Subscriber, NotifyingBlobs], found: Mapping[Place, BlobInfo | None]
) -> dict[Place, Exception]:
    mine = [place for place in found if _wants(subscription, place)]
    try:
        if there := [info for place in mine if (info := found[place])]:
            await subscription[0].sight(there)
        if gone := [place.path for place in mine if found[place] is None]:
            await subscription[0].forget(gone)
    except Exception as error:
        return dict.fromkeys(mine, error)
    return {}


class _Latest:
    """The latest notification of each blob that was acted upon, as far as the order is told."""

    def __init__(self) -> None:
        self._orders: OrderedDict[Place, str] = OrderedDict()

    def covers(self, place: Place, order: str) -> bool:
        """Whether somebody has looked there after the change with this order."""
        known = self._orders.get(place, "")
        return bool(order) and len(order) == len(known) and order <= known

    def note(self, place: Place, order: str) -> None:
        """Somebody has looked there now."""
        self._orders[place] = order
        self._orders.move_to_end(place)
        if len(self._orders) > REMEMBERED:
            self._orders.popitem(last=False)
