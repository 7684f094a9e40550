"""A host's mark on the embedded store: it shows that the host lives, and gives back what a dead one held.

Each host keeps a file locked for as long as its process exists, however that ends; and it writes a heartbeat, so
that one that is stopped or hangs past its lease period counts as dead too. Whoever notices first takes what the
dead host had: its messages become visible again, its leases end. A fencing number keeps a late riser out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from filelock import FileLock, Timeout

from .clock import milliseconds
from .counted import counted
from .embedded_lease import free_leases_of
from .errors import FunchostError, StoreError
from .history_writing import abandon_within
from .lease import LEASE_PERIOD
from .private_files import FILE_MODE, make_private_folder
from .store import Store, signal

#: Seconds between two looks at the other hosts.
LOOK_INTERVAL = 1.0

#: Seconds after which a lock file is nobody's that has no holder and no listed host: long after it was made.
STRAY_AGE = 60.0

#: Deliveries that a host's death may give back for free. After that they count, so that a message that
#: brings the whole host down cannot do so for ever.
FREE_CRASHES = 5

#: The heartbeat of a host that did not answer: what it held was given back, and it has not shown itself since.
#: It stays listed, since it may wake, take something, and end before its next beat.
_GIVEN_UP = -1.0

_GIVE_BACK = """
UPDATE messages
SET owner = NULL, fence = fence + 1, visible_at = ?, crashes = crashes + 1,
    dequeue_count = dequeue_count - (crashes < ?)
WHERE owner = ? RETURNING queue
"""


class Presence:
    """Keeps `owner` alive on the store between `start` and `stop`, and buries the others that die."""

    def __init__(
        self, store: Store, owner: str, *, report: Callable[[str], None] = lambda message: None
    ) -> None:
        self.owner = owner
        self._store = store
        self._report = report
        self._lock = _lock_file(store.folder, owner)
        self._task: asyncio.Task[None] | None = None
        #: The files that all hosts of the store have to have in common; empty once one of them is another file.
        self._files: dict[Path, int | None] = {}

    async def start(self) -> None:
        """Show this host, and give back at once what hosts held that died before. Raises `StoreError`."""
        self._take_mark()
        await self._beat()
        store = str(self._store.path)
        paths = [self._lock.lock_file, store, f"{store}-wal", f"{store}-shm"]
        self._files = {path: _inode(path) for path in map(Path, paths)}
        await self._bury_the_dead()
        await self._remove_old_marks()
        self._task = asyncio.create_task(self._keep(), name="presence")

    async def stop(self) -> None:
        """Take this host off the store; what it still holds is free for others."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        # Where the store fails now, whoever finds the lock free gives it back.
        await self._quietly(lambda: self._give_back(self.owner, forget=True))
        self._lock.release()
        _unlink(Path(self._lock.lock_file))

    def _take_mark(self) -> None:
        folder = Path(self._lock.lock_file).parent
        try:
            make_private_folder(folder)
            self._lock.acquire(timeout=0)
        except OSError as error:
            raise StoreError(
                f"This host cannot leave its mark in {folder} ({error.strerror}). Make room on the disk, or the "
                "folder writable."
            ) from error

    async def _keep(self) -> None:
        rounds = max(1, int(LEASE_PERIOD.total_seconds() / 3 / LOOK_INTERVAL))
        while True:
            for _ in range(rounds):
                await asyncio.sleep(LOOK_INTERVAL)
                self._check_place()
                await self._quietly(self._bury_the_dead)
            await self._quietly(self._beat)

    def _check_place(self) -> None:
        """Tell, once, when files of the store were removed: we would go on in files that nobody else can see."""
        changed = [path for path, inode in self._files.items() if _inode(path) != inode]
        if changed:
            self._files = {}
            is_folder = Path(self._lock.lock_file) in changed
            what = f"folder {self._store.folder}" if is_folder else f"file {changed[0]}"
            self._report(
                f"The store {what} was removed or replaced. This host no longer sees what others send, and what "
                "it does is forgotten when it ends: restart it."
            )

    async def _quietly(self, step: Callable[[], Awaitable[object]]) -> None:
        """A store that fails for a while must not end the loop that keeps us alive on it."""
        try:
            await step()
        except (FunchostError, OSError) as error:
            self._report(str(error))

    async def _beat(self) -> None:
        row = (self.owner, os.getpid(), self._store.clock.monotonic())
        await self._store.write(lambda c: c.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?)", row))

    async def _bury_the_dead(self) -> None:
        rows = await self._store.read(
            lambda c: c.execute("SELECT owner, pid, heartbeat FROM hosts").fetchall()
        )
        oldest = self._store.clock.monotonic() - LEASE_PERIOD.total_seconds()
        for owner, pid, heartbeat in rows:
            if owner == self.owner:
                continue
            gone = _is_unlocked(self._store.folder, owner)
            if gone or _GIVEN_UP < heartbeat < oldest:
                messages = await self._give_back(owner, forget=gone)
                how = "has ended" if gone else "does not answer"
                self._report(f"Host {owner} (process {pid}) {how}{_given_back(messages)}.")
                if gone:
                    _unlink(Path(_lock_file(self._store.folder, owner).lock_file))

    async def _remove_old_marks(self) -> None:
        """Remove the lock files of hosts that died before they were listed: nobody will bury them."""
        rows = await self._store.read(lambda c: c.execute("SELECT owner FROM hosts").fetchall())
        listed = {owner for (owner,) in rows}
        for path in Path(self._lock.lock_file).parent.glob("*.lock"):
            is_stray = path.stem not in listed and _age(path) > STRAY_AGE
            if is_stray and _is_unlocked(self._store.folder, path.stem):
                _unlink(path)

    async def _give_back(self, owner: str, *, forget: bool) -> int:
        now = milliseconds(self._store.clock.now())

        def operation(connection: sqlite3.Connection) -> int:
            queues = [row[0] for row in connection.execute(_GIVE_BACK, (now, FREE_CRASHES, owner))]
            for queue in set(queues):
                signal(connection, f"queue:{queue}")
            free_leases_of(connection, owner)
            abandon_within(connection, owner, now)
            if forget:
                connection.execute("DELETE FROM hosts WHERE owner = ?", (owner,))
            else:
                connection.execute("UPDATE hosts SET heartbeat = ? WHERE owner = ?", (_GIVEN_UP, owner))
            return len(queues)

        return await self._store.write(operation)


def living_hosts(folder: Path) -> list[str]:
    """The marks of the hosts that run on the store in `folder`, those that do not serve included."""
    return [path.stem for path in (folder / "hosts").glob("*.lock") if not _is_unlocked(folder, path.stem)]


def _given_back(messages: int) -> str:
    if not messages:
        return ""
    return f": {counted(messages, 'message')} in flight {'was' if messages == 1 else 'were'} given back"


def _lock_file(folder: Path, owner: str) -> FileLock:
    return FileLock(folder / "hosts" / f"{owner}.lock", mode=FILE_MODE)


def _is_unlocked(folder: Path, owner: str) -> bool:
    lock = _lock_file(folder, owner)
    if not Path(lock.lock_file).exists():
        return True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def _inode(path: Path) -> int | None:
    """Which file it is; None where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _age(path: Path) -> float:
    """Seconds since the file was made or taken; 0 for one that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
