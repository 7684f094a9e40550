"""The admin API of blobs: what containers hold, and functions run again for it."""

from __future__ import annotations

import heapq
import re
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Annotated

import msgspec

from ...bindings.blob import BlobInfo
from ...bindings.errors import BindingError, NotFound
from ...bindings.names import blob_path, blobs_path
from ...triggers.blob import BlobTrigger
from ..operations.blobs import (
    again_document,
    blob_details,
    blob_document,
    blobs_of,
    container_document,
    containers,
    delete_blob,
    put_blob,
    run_again,
    to_run_again,
)
from .answers import Answer, Raw
from .call import AdminCall
from .paging import Page, Paged, page, page_of_all
from .routes import RAW, Media, Route
from .run_models import Moment

_Connection = Annotated[str, msgspec.Meta(description="A connection; none is the app's own storage.")]

#: How headers begin that say something of a blob, as in Azure's own service.
_METADATA = "x-ms-meta-"
_METADATA_NAME = re.compile(r"[a-z_][a-z0-9_-]*", re.ASCII)
_CONTENT_TYPE = re.compile(r"[!-~]+/[!-~][ -~]*")
_SENDABLE = re.compile(r"[ -~]*")

#: Blobs that are held at a time while the first ones are looked for.
_AT_ONCE = 10_000


class Container(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A container with what it holds."""

    container: str
    blobs: int
    bytes: int
    newest: Moment | None
    isWhole: Annotated[bool, msgspec.Meta(description="False: there are more blobs than were counted.")]


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A blob in a list."""

    container: str
    name: str
    bytes: int
    modified: Moment
    etag: str


class BlobDetails(Blob, frozen=True, forbid_unknown_fields=True):
    """A blob that was written."""

    contentType: str
    metadata: dict[str, str]


class Reprocess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which blobs functions are to run for again."""

    prefix: str = ""
    function: Annotated[tuple[str, ...], msgspec.Meta(description="Only these.")] = ()
    connection: str | None = None
    dryRun: Annotated[bool, msgspec.Meta(description="Only tell which these are.")] = False


class AgainFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function that runs again."""

    function: str
    blobs: int
    disabled: bool


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What runs again."""

    functions: list[AgainFunction]
    runs: int


class ContainersQuery(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose containers."""

    connection: _Connection = ""


class BlobsQuery(ContainersQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which blobs."""

    prefix: str = ""


class BlobQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a blob is."""

    connection: _Connection = ""


async def get_containers(call: AdminCall) -> Answer:
    """The containers with what they hold."""
    query = call.query(ContainersQuery)
    found = await containers(call.workbench.blobs(query.connection))
    return 200, page_of_all(found, query, lambda one: one.name, container_document)


async def get_blobs(call: AdminCall) -> Answer:
    """The blobs of a container, by name."""
    query = call.query(BlobsQuery)
    container, prefix = blobs_path(f"{call.names['container']}/{query.prefix}")
    store = call.workbench.blobs(query.connection)
    await blobs_of(store, container, prefix, 1)  # raises where there is no such container
    found = await _first(store.list(container, prefix), query.after, query.limit + 1)
    return 200, page(found, query.limit, _name, blob_document)


async def _first(blobs: AsyncIterator[BlobInfo], after: str | None, count: int) -> list[BlobInfo]:
    """The first ones by name, of any number, `after` this name."""
    kept: list[BlobInfo] = []
    async for info in blobs:
        if after is None or info.name > after:
            kept.append(info)
        if len(kept) >= _AT_ONCE + count:
            kept = heapq.nsmallest(count, kept, key=_name)
    return heapq.nsmallest(count, kept, key=_name)


def _name(info: BlobInfo) -> str:
    return info.name


async def get_blob(call: AdminCall) -> Answer:
    """A blob's content, with what is known of it in the headers."""
    path = _path(call)
    found = await call.workbench.blobs(call.query(BlobQuery).connection).open(*blob_path(path))
    if found is None:
        raise NotFound(f"There is no blob {path}.")
    info, content = found
    known = [(f"{_METADATA}{name}", value) for name, value in info.metadata.items()]
    headers = [
        ("ETag", info.etag if info.etag.startswith('"') else f'"{info.etag}"'),
        ("Last-Modified", format_datetime(info.modified_at, usegmt=True)),
        *((name, value) for name, value in known if _SENDABLE.fullmatch(name + value)),
    ]
    kind = info.content_type if _CONTENT_TYPE.fullmatch(info.content_type) else RAW.type
    return Raw(content, kind, info.name.rpartition("/")[2], tuple(headers))


async def put_a_blob(call: AdminCall) -> Answer:
    """Write a blob as the body is, in one visible step."""
    info = await put_blob(
        call.workbench,
        call.query(BlobQuery).connection,
        _path(call),
        call.pieces(call.desk.body_limit),
        content_type=_content_type(call),
        metadata=_metadata(call),
    )
    return 200, blob_details(info)


async def delete_a_blob(call: AdminCall) -> Answer:
    """Remove a blob."""
    await delete_blob(call.workbench, call.query(BlobQuery).connection, _path(call))
    return 204, None


async def reprocess(call: AdminCall) -> Answer:
    """Have the functions that watch a container run again for its blobs."""
    asked = await call.document(Reprocess)
    container, prefix = blobs_path(f"{call.names['container']}/{asked.prefix}")
    triggers = [one.trigger for one in call.host.functions if isinstance(one.trigger, BlobTrigger)]
    plan = await to_run_again(
        triggers, container, prefix, functions=asked.function, connection=asked.connection
    )
    if asked.dryRun:
        return 200, again_document(plan)
    await run_again(call.workbench, plan)
    return 202, again_document(plan)


def _path(call: AdminCall) -> str:
    return f"{call.names['container']}/{call.names['name']}"


def _content_type(call: AdminCall) -> str | None:
    given = call.headers.get("Content-Type")
    if given is not None and not _CONTENT_TYPE.fullmatch(given):
        raise BindingError("The Content-Type is none: write it as text/csv.")
    return given


def _metadata(call: AdminCall) -> dict[str, str]:
    found = {
        name.lower().removeprefix(_METADATA): value
        for name, value in call.headers.items()
        if name.lower().startswith(_METADATA)
    }
    for name, value in found.items():
        if not _METADATA_NAME.fullmatch(name) or not _SENDABLE.fullmatch(value):
            raise BindingError(f"The header {_METADATA}{name} is not of the letters that metadata may have.")
    return found


ROUTES = (
    Route(
        method="GET",
        path="blobs",
        handler=get_containers,
        summary="The containers with what they hold.",
        query=ContainersQuery,
        answers={200: Page[Container]},
    ),
    Route(
        method="GET",
        path="blobs/{container}",
        handler=get_blobs,
        summary="The blobs of a container, by name.",
        query=BlobsQuery,
        answers={200: Page[Blob]},
    ),
    Route(
        method="POST",
        path="blobs/{container}",
        handler=reprocess,
        summary="Have the functions that watch a container run again for its blobs.",
        body=Reprocess,
        body_optional=True,
        answers={200: Again, 202: Again},
    ),
    Route(
        method="GET",
        path="blobs/{container}/{name...}",
        handler=get_blob,
        summary="A blob's content.",
        query=BlobQuery,
        answers={200: Media("*/*")},
    ),
    Route(
        method="PUT",
        path="blobs/{container}/{name...}",
        handler=put_a_blob,
        summary="Write a blob as the body is.",
        query=BlobQuery,
        body=Media("*/*"),
        answers={200: BlobDetails},
    ),
    Route(
        method="DELETE",
        path="blobs/{container}/{name...}",
        handler=delete_a_blob,
        summary="Remove a blob.",
        query=BlobQuery,
        answers={204: None},
    ),
)
