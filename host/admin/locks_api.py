"""The admin API of locks: who holds which lease, and how one is ended by force."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ..operations.locks import break_lock, list_locks, lock_document
from .answers import Answer
from .call import AdminCall
from .paging import Page, Paged, page_of_all
from .routes import Route


class LockHost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host of this machine's store."""

    pid: int
    url: str | None
    alive: bool


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lease that somebody holds."""

    name: str
    serves: Annotated[str, msgspec.Meta(description="What it is for, in words.")]
    function: str | None
    owner: str
    host: Annotated[LockHost | None, msgspec.Meta(description="Null: one of another machine, or gone.")]
    fence: int
    endsInSeconds: float | None
    shared: Annotated[bool, msgspec.Meta(description="Whether hosts on other machines go by it too.")]


async def get_locks(call: AdminCall) -> Answer:
    """All leases that are held, by name."""
    found = await list_locks(call.workbench)
    return 200, page_of_all(found, call.query(Paged), lambda lock: lock.lease.name, lock_document)


async def delete_lock(call: AdminCall) -> Answer:
    """Break a lock; tells what it was."""
    return 200, lock_document(await break_lock(call.workbench, call.names["lock"]))


ROUTES = (
    Route(
        method="GET",
        path="locks",
        handler=get_locks,
        summary="The locks that are held.",
        query=Paged,
        answers={200: Page[Lock]},
    ),
    Route(
        method="DELETE",
        path="locks/{lock...}",
        handler=delete_lock,
        summary="Break a lock, whoever holds it.",
        answers={200: Lock},
    ),
)
