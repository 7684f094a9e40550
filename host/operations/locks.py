"""The leases that hosts hold: what each is for, who has it, and how one is ended by force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...bindings.errors import NotFound
from ...bindings.lease import HeldLease, Lease
from ...triggers.locks import Locks
from ...triggers.timer_listener import TIMER_SCOPE
from ..config.vocabulary import nearest
from .hosts import KnownHost, host_document, known_hosts
from .workbench import Workbench

_LISTENER = ".Listener"

#: How the names begin of the leases that have somebody look for what is new.
_SCANS = {"scan:blob:": "scanner of the blobs of", "scan:file:": "scanner of the files of"}


@dataclass(frozen=True, slots=True)
class LockInfo:
    """A lease that somebody holds."""

    lease: Lease
    #: What it is for, in words.
    serves: str
    #: The function that it is for, as its name tells.
    function: str | None
    #: None: it holds this from another machine, or it is gone.
    host: KnownHost | None
    #: Seconds until it ends unless it is renewed; None where only its holder knows.
    ends_in: float | None
    #: Whether hosts on other machines go by it too.
    shared: bool

    @property
    def holder(self) -> str:
        """Who holds it, for people."""
        if self.host:
            return str(self.host)
        return "another machine, or a host that is gone" if self.shared else "a host that is gone"


async def list_locks(workbench: Workbench) -> list[LockInfo]:
    """All leases that are held, by name: those that hosts share, and those of this machine."""
    hosts = await known_hosts(workbench)
    timers = set(await workbench.storage.state.items(TIMER_SCOPE))
    found = []
    for locks, shared in _stores(workbench):
        held = await locks.held_by_anyone()
        found += [_info(each, hosts, timers, shared=shared) for each in held]
    return sorted(found, key=lambda lock: lock.lease.name)


async def find_lock(workbench: Workbench, name: str) -> LockInfo:
    """The lease of that name. Raises `NotFound` where nobody holds it."""
    locks = await list_locks(workbench)
    for lock in locks:
        if lock.lease.name == name:
            return lock
    near = nearest(name, [lock.lease.name for lock in locks])
    raise NotFound(f"Nobody holds a lock '{name}'." + (f" Did you mean {near}?" if near else ""))


async def break_lock(workbench: Workbench, name: str) -> LockInfo:
    """End the lease, whoever holds it, and tell what it was. Raises `NotFound` where nobody does.

    It is free at once. Its holder learns of it with the next renewal; what runs under it goes on until then, and a run
    of a singleton to its end. Whoever takes it next has a higher fencing number.
    """
    lock = await find_lock(workbench, name)
    await workbench.note(
        "locks.break", name, serves=lock.serves, owner=lock.lease.owner, fence=lock.lease.fence
    )
    broken = [await locks.break_(name) for locks, shared in _stores(workbench) if shared == lock.shared]
    if not any(broken):
        raise NotFound(f"Nobody holds the lock '{name}' any more: it was given back just now.")
    return lock


def lock_document(lock: LockInfo) -> dict[str, Any]:
    """A lease as `--json` and the API give it."""
    return {
        "name": lock.lease.name,
        "serves": lock.serves,
        "function": lock.function,
        "owner": lock.lease.owner,
        "host": host_document(lock.host),
        "fence": lock.lease.fence,
        "endsInSeconds": None if lock.ends_in is None else round(lock.ends_in, 3),
        "shared": lock.shared,
    }


def _stores(workbench: Workbench) -> list[tuple[Locks, bool]]:
    storage = workbench.storage
    if storage.locks is storage.local.locks:
        return [(storage.locks, False)]
    return [(storage.locks, True), (storage.local.locks, False)]


def _info(held: HeldLease, hosts: dict[str, KnownHost], timers: set[str], *, shared: bool) -> LockInfo:
    serves, function = _meaning(held.lease.name, timers)
    return LockInfo(held.lease, serves, function, hosts.get(held.lease.owner), held.ends_in, shared)


def _meaning(name: str, timers: set[str]) -> tuple[str, str | None]:
    """What a lease is for, and the function in question, by how triggers and the executor name theirs."""
    for begin, what in _SCANS.items():
        if name.startswith(begin):
            function = name.removeprefix(begin)
            return f"{what} {function}", function
    if name.endswith(_LISTENER):
        function = name.removesuffix(_LISTENER)
        return (f"timer {function}" if function in timers else f"listener of {function}"), function
    if ":" in name.partition(".")[0]:
        return "a lease of a trigger", None
    function, _, scope = name.partition(".")
    return (f"singleton {function} for {scope}" if scope else f"singleton {function}"), function
