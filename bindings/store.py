"""The embedded store: one SQLite file, and one writer thread that commits many operations at once.

Every change is an operation: a function of a connection. Operations that wait while a commit is on its way to
the disk share the next one, so that durability (WAL with ``synchronous=FULL``) costs one fsync for all of them.
Any number of processes may use the file; what one commits, the others notice within 40 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from .clock import Clock, SystemClock
from .errors import StoreError, StoreInUseError
from .filesystem import network_type
from .private_files import FILE_MODE, FOLDER_MODE, make_private_folder, private_opener
from .store_schema import SCHEMA_VERSION, bring_up_to_date

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], Any]
#: An operation, and who waits for what it gives.
Job = tuple[Operation, asyncio.Future[Any]]
#: Gives what is to be written with whatever else is, or None.
Rider = Callable[[], Job | None]

#: Told of each write that is asked for in its context, before that is handed over: so riders can be given what belongs
#: to this very write.
on_write: ContextVar[Callable[[], None] | None] = ContextVar("on_write", default=None)

#: How long an operation waits for another process to finish its transaction, in seconds.
BUSY_TIMEOUT = 10.0

#: How often another process's commits are looked for, in seconds.
NOTICE_INTERVAL = 0.04

_CLOSE = None

#: What the .gitignore of a folder holds that is a store's alone.
_OURS = "*\n"


class Store:
    """The open store. Made in the event loop that uses it; `close` when done.

    Raises `StoreError` when the file cannot be used, with what to do in the message.
    """

    def __init__(self, folder: Path, *, clock: Clock | None = None) -> None:
        self.folder = folder
        self.path = folder / "store.db"
        self.clock: Clock = clock or SystemClock()
        self._loop = asyncio.get_running_loop()
        self._outbox: list[Job] = []
        self._riders: list[Rider] = []
        self._inbox: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._closed = False
        _prepare_folder(folder)
        _make_private(self.path)
        with contextlib.ExitStack() as opened:
            writer = self._connect(opened)
            _create_or_check(writer, self.path)
            self._notices = self._connect(opened)
            self._version: int = 0
            self._signals: dict[str, int] = self._first_signals()
            self._reader = self._connect(opened)
            opened.pop_all()
        # From here on it is used in the loop, which must not wait for anyone.
        self._notices.execute("PRAGMA busy_timeout = 0")
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._writer = threading.Thread(
            target=self._write_all, args=(writer,), name="store-writer", daemon=True
        )
        self._writer.start()
        self._timer = self._loop.call_later(NOTICE_INTERVAL, self._notice)

    def write(self, operation: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `operation` in a transaction; the result comes once that is on the disk.

        It may share the transaction with others and may be run twice (after a neighbour failed), so it
        must depend on nothing but the connection. If it raises, nothing of it remains.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        if told := on_write.get():
            told()
        # What comes in one turn of the loop goes over to the writer at once: it is woken once for all of it.
        if not self._outbox:
            self._loop.call_soon(self._hand_over)
        self._outbox.append((operation, future))
        return future

    def ride(self, rider: Rider) -> None:
        """Ask `rider` for an operation whenever something is about to be written, and write that in the same
        transaction: so what is said of a change is there when the change is."""
        self._riders.append(rider)

    async def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read-only `operation` beside the writer and return its result."""
        if self._closed:
            raise StoreError("The store is closed.")
        try:
            return await self._loop.run_in_executor(self._reading, operation, self._reader)
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error

    def subscribe(self, topic: str, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop whenever anyone, in any process, has signalled `topic`."""
        self._subscribers.setdefault(topic, []).append(callback)

    def announce(self, topic: str) -> None:
        """Tell this process's subscribers at once (what `signal` does for the others)."""
        for callback in self._subscribers.get(topic, ()):
            callback()

    async def close(self) -> None:
        """Finish what was written so far and close the file."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._hand_over()
        self._inbox.put(_CLOSE)
        await self._loop.run_in_executor(None, self._writer.join)
        self._reading.shutdown()
        self._reader.close()
        self._notices.close()

    def _hand_over(self) -> None:
        if self._outbox:
            jobs, self._outbox = self._outbox, []
            jobs += [job for rider in self._riders if (job := rider())]
            self._inbox.put(jobs)

    # -- the writer thread

    def _write_all(self, connection: sqlite3.Connection) -> None:
        open_for_more = True
        while open_for_more:
            batches = [self._inbox.get()]
            while not self._inbox.empty():
                batches.append(self._inbox.get())
            open_for_more = _CLOSE not in batches
            jobs = [job for batch in batches if batch is not None for job in batch]
            if jobs:
                results = self._commit(connection, [operation for operation, _ in jobs])
                futures = [future for _, future in jobs]
                # The loop may have been closed by an end that did not wait for us.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(_resolve, futures, results)
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA optimize")
        connection.close()

    def _commit(self, connection: sqlite3.Connection, operations: list[Operation]) -> list[Any]:
        """The result of each operation; an exception stands for an operation that failed."""
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            # No operation is to blame: to try each alone would only wait as often for the same lock.
            return [_explained(error, self.path) for _ in operations]
        try:
            results = [operation(connection) for operation in operations]
            connection.execute("COMMIT")
            return results
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(operations) > 1:
                # One of them spoilt the transaction for all: each gets one of its own.
                return [self._commit(connection, [operation])[0] for operation in operations]
            return [_explained(error, self.path) if isinstance(error, sqlite3.Error) else error]

    # -- what other processes did

    def _notice(self) -> None:
        try:
            version: int = self._notices.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._announce_changes()
                self._version = version
        except sqlite3.Error:
            pass  # the next operation meets the same error and tells it
        self._timer = self._loop.call_later(NOTICE_INTERVAL, self._notice)

    def _announce_changes(self) -> None:
        signals = self._read_signals()
        changed = [topic for topic, count in signals.items() if self._signals.get(topic) != count]
        self._signals = signals
        for topic in changed:
            self.announce(topic)

    def _read_signals(self) -> dict[str, int]:
        return dict(self._notices.execute("SELECT topic, count FROM signals").fetchall())

    def _first_signals(self) -> dict[str, int]:
        try:
            return self._read_signals()
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error

    def _connect(self, opened: contextlib.ExitStack) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            opened.callback(connection.close)
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            return connection
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error


def signal(connection: sqlite3.Connection, topic: str) -> None:
    """Part of an operation: let the subscribers of `topic` in other processes know of this commit."""
    connection.execute(
        "INSERT INTO signals VALUES (?, 1) ON CONFLICT (topic) DO UPDATE SET count = count + 1", (topic,)
    )


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():
            continue  # whoever waited has gone away; the change stands
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Processes that open a new file at once get in each other's way here, and SQLite does not wait for that."""
    end = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= end:
                raise
        time.sleep(0.01)


def _prepare_folder(folder: Path) -> None:
    kind = network_type(folder)
    if kind:
        raise StoreError(
            f"The store folder {folder} is on a network file system ({kind}), where file locks and shared "
            "memory cannot be relied on. Put it on a local disk with --store."
        )
    try:
        is_new = not folder.exists()
        make_private_folder(folder)
        # Keys and message bodies are nobody else's business, least of all a repository's.
        mark = folder / ".gitignore"
        if is_new:
            with open(mark, "w", opener=private_opener) as file:
                file.write(_OURS)
        # A folder that was there with other things in it (--store /tmp) is not ours to close.
        if not any(folder.iterdir()) or (mark.exists() and mark.read_text() == _OURS):
            folder.chmod(FOLDER_MODE)
    except OSError as error:
        raise StoreError(
            f"The store folder {folder} cannot be made or used ({error.strerror}). "
            "Make it writable, or name another with --store."
        ) from error


def _make_private(path: Path) -> None:
    """Have the file made as its owner's alone; SQLite makes those beside it like it. One that is older is mended."""
    # One that is there is not opened: to close it would take the locks of another store of this process on it.
    try:
        if not path.exists():
            open(path, "xb", opener=private_opener).close()
        elif path.stat().st_mode & 0o077:
            path.chmod(FILE_MODE)
    except OSError:
        pass  # opening it as a store meets the same error, and tells what to do


def _create_or_check(connection: sqlite3.Connection, path: Path) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version <= SCHEMA_VERSION:
            bring_up_to_date(connection)
        if version < SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise _explained(error, path) from error
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"The store {path} was written by a newer funchost (store version {version}, this one knows "
            f"{SCHEMA_VERSION}). Upgrade funchost, or name another store with --store."
        )


def _explained(error: sqlite3.Error, path: Path) -> StoreError:
    """The error in words that say what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreInUseError(
            f"The store {path} stayed locked by another process for {BUSY_TIMEOUT:.0f} s. "
            "End whatever holds it (a database browser, a backup) and try again.",
            path,
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"The disk that holds {path} is full. Make room; nothing was lost.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"The store {path} cannot be written ({error}). Make it and its folder writable.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"The store {path} is damaged ({error}). Move it (and its -wal and -shm files) aside to start "
            "with an empty one; `sqlite3 store.db .recover` saves what can be read."
        )
    return StoreError(f"The store {path} failed: {error}.")
