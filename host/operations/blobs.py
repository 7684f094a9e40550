"""Blobs as people handle them: what containers hold, and functions that are to run for blobs once more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...bindings.blob import BlobInfo, BlobStore, ContainerMissing, ListedContainers
from ...bindings.errors import BindingError, NotFound
from ...bindings.names import blob_path
from ...triggers.blob import BlobTrigger
from ..config.vocabulary import nearest
from .workbench import Workbench

#: So many blobs of a container are counted: each thousand is a request, where the storage is elsewhere.
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    """How much a container holds."""

    name: str
    blobs: int
    size: int
    newest: datetime | None
    #: False: there are more than were counted.
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Again:
    """A function and the blobs that it is to run for once more."""

    trigger: BlobTrigger
    blobs: Sequence[BlobInfo]

    @property
    def function(self) -> str:
        """Its name."""
        return self.trigger.function.name


async def container_names(store: BlobStore) -> Sequence[str]:
    """The containers of a storage. Raises `BindingError` where it cannot tell them."""
    if not isinstance(store, ListedContainers):
        raise BindingError("This storage does not tell which containers it has. Name one.")
    return await store.containers()


async def containers(store: BlobStore) -> list[ContainerInfo]:
    """The containers with what they hold, by name. Raises `BindingError` where the storage cannot tell."""
    return [await _counted(store, name) for name in await container_names(store)]


async def blobs_of(store: BlobStore, container: str, prefix: str, limit: int) -> tuple[list[BlobInfo], bool]:
    """Up to `limit` blobs, and whether there are more. Raises `NotFound` where there is no such container."""
    found: list[BlobInfo] = []
    try:
        async for info in store.list(container, prefix):
            if len(found) == limit:
                return found, True
            found.append(info)
    except ContainerMissing as error:
        raise NotFound(str(error)) from error
    if not found and isinstance(store, ListedContainers):
        await _check_container(store, container)
    return found, False


async def blob_info(store: BlobStore, path: str) -> BlobInfo:
    """What is known of one blob. Raises `NotFound`, and `BindingError` for what is no path of a blob."""
    info = await store.info(*blob_path(path))
    if info is None:
        raise NotFound(f"There is no blob {path}.")
    return info


async def put_blob(
    workbench: Workbench,
    connection: str,
    path: str,
    content: bytes | AsyncIterator[bytes],
    *,
    content_type: str | None = None,
    metadata: dict[str, str] | None = None,
) -> BlobInfo:
    """Write a blob, in the place of one that is there. Raises `BindingError` for a path or name that cannot be."""
    container, name = blob_path(path)
    # Only what is said is handed on: a storage of another package need not know of types.
    extra = {} if content_type is None else {"content_type": content_type}
    info = await workbench.blobs(connection).put(container, name, content, metadata=metadata, **extra)
    await workbench.note("blobs.put", info.path, connection=connection, bytes=info.length, etag=info.etag)
    return info


async def delete_blob(workbench: Workbench, connection: str, path: str) -> None:
    """Remove a blob. Raises `NotFound` where there is none."""
    if not await workbench.blobs(connection).delete(*blob_path(path)):
        raise NotFound(f"There is no blob {path}.")
    await workbench.note("blobs.delete", path, connection=connection)


async def to_run_again(
    triggers: Iterable[BlobTrigger],
    container: str,
    prefix: str,
    *,
    functions: Sequence[str] = (),
    connection: str | None = None,
) -> list[Again]:
    """The functions that watch a container, each with the blobs there that it is for and whose name begins so.

    Only those named, if any are; only those on that connection, if one is. Raises `NotFound` where none is left.
    """
    known = sorted(triggers, key=lambda trigger: trigger.function.name.lower())
    _check_names(known, functions)
    wanted = {name.lower() for name in functions}
    found = [
        trigger
        for trigger in known
        if trigger.pattern.container == container
        and (not wanted or trigger.function.name.lower() in wanted)
        and (connection is None or (trigger.fields.connection or "") == connection)
    ]
    if not found:
        watched = sorted({trigger.fields.path for trigger in known})
        hint = f" Watched are: {', '.join(watched)}." if watched else ""
        raise NotFound(f"No function that is meant watches the container '{container}'.{hint}")
    return [Again(trigger, await _for_function(trigger, prefix)) for trigger in found]


async def run_again(workbench: Workbench, plan: Sequence[Again]) -> int:
    """Put the blobs on the functions' internal queues again; hosts that run, or come to, take them up from there.

    Returns how many runs that asks for. A version that is replaced before its turn is not run.
    """
    for again in plan:
        await again.trigger.again(again.blobs)
        await workbench.note("blobs.reprocess", again.function, blobs=len(again.blobs))
    return sum(len(again.blobs) for again in plan)


def container_document(container: ContainerInfo) -> dict[str, Any]:
    """A container as `--json` and the API give it."""
    return {
        "container": container.name,
        "blobs": container.blobs,
        "bytes": container.size,
        "newest": container.newest.isoformat() if container.newest else None,
        "isWhole": container.is_whole,
    }


def blob_document(info: BlobInfo) -> dict[str, Any]:
    """A blob of a list as `--json` and the API give it."""
    return {
        "container": info.container,
        "name": info.name,
        "bytes": info.length,
        "modified": info.modified_at.isoformat(),
        "etag": info.etag,
    }


def blob_details(info: BlobInfo) -> dict[str, Any]:
    """A blob that was asked for by itself, with what lists do not bring."""
    return {**blob_document(info), "contentType": info.content_type, "metadata": info.metadata}


def again_document(plan: Sequence[Again]) -> dict[str, Any]:
    """What is to run again, or does, as `--json` and the API give it."""
    return {
        "functions": [
            {
                "function": again.function,
                "blobs": len(again.blobs),
                "disabled": again.trigger.function.disabled,
            }
            for again in plan
        ],
        "runs": sum(len(again.blobs) for again in plan),
    }


async def _counted(store: BlobStore, container: str) -> ContainerInfo:
    blobs, size, newest = 0, 0, None
    try:
        async for info in store.list(container):
            if blobs == MOST_COUNTED:
                return ContainerInfo(container, blobs, size, newest, False)
            blobs, size = blobs + 1, size + info.length
            newest = max(newest, info.modified_at) if newest else info.modified_at
    except ContainerMissing:
        pass  # it was removed meanwhile
    return ContainerInfo(container, blobs, size, newest, True)


async def _check_container(store: ListedContainers, container: str) -> None:
    known = await store.containers()
    if container not in known:
        near = nearest(container, known)
        hint = f" Did you mean {near}?" if near else f" There are: {', '.join(known)}." if known else ""
        raise NotFound(f"There is no container '{container}'.{hint}")


async def _for_function(trigger: BlobTrigger, prefix: str) -> list[BlobInfo]:
    try:
        return [
            info
            async for info in trigger.store.list(trigger.pattern.container, prefix)
            if trigger.pattern.match(info.name) is not None
        ]
    except ContainerMissing as error:
        raise NotFound(str(error)) from error


def _check_names(triggers: Sequence[BlobTrigger], functions: Sequence[str]) -> None:
    known = [trigger.function.name for trigger in triggers]
    for name in functions:
        if name.lower() not in (each.lower() for each in known):
            near = nearest(name, known)
            hint = f" Did you mean {near}?" if near else f" There are: {', '.join(known)}." if known else ""
            raise NotFound(f"There is no function '{name}' with a blob trigger.{hint}")
