"""What the host remembers, on S3: a document for each value, and for each scope a few with the versions seen.

S3 and a queue have no transaction together. So a new version is written down together with the message to be
sent for it, in one conditional write that only one host wins; then the message is sent; then it is crossed
out. Who dies in between leaves the message behind, and the next one to load the scope sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from ..clock import new_id
from ..errors import FunchostError
from ..queue import OutgoingMessage, QueueStore
from ..state import Sighting
from .s3_calls import ClientFactory, together
from .s3_documents import Document, S3Documents, key_part
from .settings import AwsSettings

#: Over how many documents the versions of a scope are spread: each is rewritten for what is new in it.
PAGES = 128


class _Value(msgspec.Struct, frozen=True):
    key: str
    value: Any
    #: Which writing it is, so that nobody takes another's for one's own.
    writing: str = ""


class _Page(msgspec.Struct):
    """Some of the versions of a scope."""

    #: By path.
    versions: dict[str, str] = {}
    #: What is yet to be sent, by the claim of whoever is about to.
    unsent: dict[str, list[OutgoingMessage]] = {}
    #: Who wrote it, so that no two writers write the same.
    writer: str = ""


#: Seconds between two looks at a scope that is watched: S3 tells nobody of a change.
WATCH_INTERVAL = 30.0

#: A sighting with its place among those of one recording.
_Numbered = tuple[int, Sighting]


@dataclass(slots=True)
class _Claimed:
    """What one recording has to do with one page."""

    news: list[_Numbered] = field(default_factory=list)
    #: Messages of earlier recordings of this store, which it could not send then.
    earlier: list[OutgoingMessage] = field(default_factory=list)
    #: What is to be crossed out when all is sent.
    claims: set[str] = field(default_factory=set)


class S3State:
    """`StateStore` on S3; what `record` sends goes into `queues`.

    A version is recorded once. Its message is sent at least once: twice where a host died, or its queue
    refused, between sending and crossing out.
    """

    def __init__(
        self,
        client: ClientFactory,
        settings: AwsSettings,
        bucket: str,
        queues: QueueStore,
        prefix: str = "funchost/",
    ) -> None:
        self._values = S3Documents(client, settings, bucket, f"{prefix}state/")
        self._versions = S3Documents(client, settings, bucket, f"{prefix}versions/")
        self._queues = queues
        #: What `items` has read of each scope, by key: unchanged as long as the ETag is.
        self._read: dict[str, dict[str, Document]] = {}
        #: One recording at a time for each scope of this host; others are told by the conditional writes.
        self._recording: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Begins every claim of this store.
        self._me = new_id()
        self._watchers: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._watching: list[asyncio.Task[None]] = []

    async def get(self, scope: str, key: str) -> Any:
        name = _value_key(scope, key)
        found = await self._values.read(name)
        return self._decoded(name, found.body).value if found else None

    async def put(self, scope: str, key: str, value: Any) -> None:
        if value is not None:
            # On the condition of what was read: a slow request of an earlier `put` cannot come after this one.
            await self.change(scope, key, lambda before: value)
            return
        await self._values.delete(_value_key(scope, key))
        self._tell(scope)

    async def change(self, scope: str, key: str, edit: Callable[[Any], Any]) -> bool:
        name = _value_key(scope, key)
        value: Any = None

        def edit_document(body: bytes | None) -> bytes | None:
            nonlocal value
            before = None if body is None else self._decoded(name, body).value
            value = edit(before)
            if value is None or msgspec.json.encode(value) == msgspec.json.encode(before):
                return None
            return msgspec.json.encode(_Value(key, value, new_id()))

        await self._values.change(name, edit_document)
        if value is not None:
            self._tell(scope)
        return value is not None

    async def items(self, scope: str) -> Mapping[str, Any]:
        known = self._read.get(scope, {})
        listed = await self._values.list(f"{key_part(scope)}/")
        kept = {
            name: known[name] for name, etag in listed.items() if name in known and known[name].etag == etag
        }
        missing = [name for name in listed if name not in kept]
        for name, found in zip(missing, await together(map(self._values.read, missing)), strict=True):
            if found is not None:
                kept[name] = found
        self._read[scope] = kept
        values = [self._decoded(name, found.body) for name, found in kept.items()]
        return {each.key: each.value for each in sorted(values, key=lambda each: each.key)}

    def watch(self, scope: str, callback: Callable[[], None]) -> None:
        """As `StateStore.watch`; what others change is noticed within `WATCH_INTERVAL`."""
        self._watchers[scope].append(callback)
        if len(self._watchers[scope]) == 1:
            self._watching.append(asyncio.create_task(self._watch(scope), name=f"watch {scope}"))

    async def _watch(self, scope: str) -> None:
        known: Mapping[str, str] | None = None
        while True:
            with contextlib.suppress(FunchostError):  # whoever reads the scope is told
                listed = await self._values.list(f"{key_part(scope)}/")
                if known is not None and listed != known:
                    self._tell(scope)
                known = listed
            await asyncio.sleep(WATCH_INTERVAL)

    def _tell(self, scope: str) -> None:
        for callback in self._watchers.get(scope, ()):
            callback()

    async def close(self) -> None:
        """Watch nothing any more."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watching.clear()

    async def seen(self, scope: str) -> dict[str, str]:
        """As `StateStore.seen`; sends first what a host that is gone left unsent."""
        async with self._recording[scope]:
            listed = await self._versions.list(f"{key_part(scope)}/")
            read = await together(map(self._read_page, listed))
            pages = dict(zip(listed, read, strict=True))
            for name, page in pages.items():
                await self._send({name: page.unsent}, _messages(page.unsent.values()))
        return {path: version for page in read for path, version in page.versions.items()}

    async def record(self, scope: str, sightings: Sequence[Sighting]) -> int:
        claim = f"{self._me} {new_id()}"
        by_page: defaultdict[str, list[_Numbered]] = defaultdict(list)
        for numbered in enumerate(sightings):
            by_page[_page_key(scope, numbered[1].path)].append(numbered)
        async with self._recording[scope]:
            claimed = await together(self._claim(name, claim, some) for name, some in by_page.items())
            news = sorted((each for found in claimed for each in found.news), key=lambda each: each[0])
            earlier = [message for found in claimed for message in found.earlier]
            messages = earlier + [sighting.message for _, sighting in news if sighting.message]
            claims = {name: found.claims for name, found in zip(by_page, claimed, strict=True)}
            await self._send(claims, messages)
        return len(news)

    async def _claim(self, name: str, claim: str, sightings: Sequence[_Numbered]) -> _Claimed:
        """Write down those of the sightings that are news, with their messages."""
        claimed = _Claimed()

        def edit(body: bytes | None) -> bytes | None:
            page = self._page(name, body)
            mine = {key: unsent for key, unsent in page.unsent.items() if key.startswith(self._me)}
            claimed.earlier = _messages(mine.values())
            claimed.news = [each for each in sightings if _remember(page.versions, each[1])]
            claimed.claims = set(mine)
            if messages := [sighting.message for _, sighting in claimed.news if sighting.message]:
                page.unsent[claim] = messages
                claimed.claims.add(claim)
            return _encoded(page) if claimed.news else None

        await self._versions.change(name, edit)
        return claimed

    async def _send(self, claims: Mapping[str, Iterable[str]], messages: Sequence[OutgoingMessage]) -> None:
        """Send the messages, then cross out the claims on each page."""
        if messages:
            await self._queues.send(messages)
            await together(self._cross_out(name, set(some)) for name, some in claims.items() if some)

    async def _cross_out(self, name: str, claims: set[str]) -> None:
        def edit(body: bytes | None) -> bytes | None:
            page = self._page(name, body)
            kept = {claim: unsent for claim, unsent in page.unsent.items() if claim not in claims}
            return None if kept == page.unsent else _encoded(_Page(page.versions, kept))

        await self._versions.change(name, edit)

    async def _read_page(self, name: str) -> _Page:
        found = await self._versions.read(name)
        return self._page(name, found.body if found else None)

    def _page(self, name: str, body: bytes | None) -> _Page:
        try:
            return _Page() if body is None else msgspec.json.decode(body, type=_Page)
        except msgspec.MsgspecError as error:
            raise self._versions.spoilt(name) from error

    def _decoded(self, name: str, body: bytes) -> _Value:
        try:
            return msgspec.json.decode(body, type=_Value)
        except msgspec.MsgspecError as error:
            raise self._values.spoilt(name) from error


def _remember(known: dict[str, str], sighting: Sighting) -> bool:
    """Whether this version is news; from now on it is not."""
    before = known.pop(sighting.path, None)
    if sighting.version is not None:
        known[sighting.path] = sighting.version
    return before != sighting.version


def _messages(unsent: Iterable[Sequence[OutgoingMessage]]) -> list[OutgoingMessage]:
    return [message for messages in unsent for message in messages]


def _encoded(page: _Page) -> bytes:
    page.writer = new_id()
    return msgspec.json.encode(page)


def _value_key(scope: str, key: str) -> str:
    return f"{key_part(scope)}/{key_part(key)}.json"


def _page_key(scope: str, path: str) -> str:
    # By a hash that every host computes alike.
    page = int.from_bytes(sha256(path.encode()).digest()[:2]) % PAGES
    return f"{key_part(scope)}/{page:03}.json"
