"""The load of the soak: callers, other processes on the store, and people who put files into folders.

What was taken (a 200, a transaction that came through) is `sent`, and must be somewhere for ever after. What was
refused, or not answered, is `unsure`: it may be there or not, but not twice.
"""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from e2e.apps import App
from soak_app import BAD, BLOBS, FILES, GUARDED, JOBS, MANY, Flow
from soak_hosts import Host

from funchost.bindings.errors import FunchostError

#: Messages of one send, and seconds between two rounds of sending.
BURST = 20
PAUSE = 0.1

#: Seconds that a caller waits for an answer.
CALL_TIMEOUT = 5.0

#: Customers, each of which has a lock.
CUSTOMERS = 5


class Load:
    """Sends to all triggers while it runs, as much as the hosts work off."""

    def __init__(self, app: App, hosts: list[Host], seed: str) -> None:
        self.sent: dict[Flow, list[str]] = defaultdict(list)
        self.unsure: dict[Flow, list[str]] = defaultdict(list)
        self.calls_answered = 0
        self.calls_unanswered = 0
        self._app = app
        self._hosts = hosts
        self._random = random.Random(f"{seed} load")
        self._callers = random.Random(f"{seed} calls")
        self._numbers = count(1)
        #: Blobs and files that were given a second version.
        self._changed: set[str] = set()
        self._running = threading.Event()
        self._ended = False
        self._idle = [threading.Event(), threading.Event()]
        self._threads = [
            threading.Thread(target=self._repeat, args=(step, idle), daemon=True)
            for step, idle in zip((self._send, self._call), self._idle, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def go_on(self) -> None:
        """Send from now on."""
        for idle in self._idle:
            idle.clear()
        self._running.set()

    def pause(self) -> None:
        """Send nothing more; returns once all that was begun is done."""
        self._running.clear()
        for idle in self._idle:
            idle.wait(3 * CALL_TIMEOUT)

    def end(self) -> None:
        """Send nothing more for good."""
        self.pause()
        self._ended = True
        self._running.set()

    def _repeat(self, step: Callable[[], None], idle: threading.Event) -> None:
        while True:
            if not self._running.is_set():
                idle.set()
                self._running.wait()
            if self._ended:
                return
            step()
            time.sleep(PAUSE)

    # -- other processes on the store

    def _send(self) -> None:
        for flow in (JOBS, GUARDED, MANY):
            if waiting(self._app, flow.queue) < flow.backlog:
                self._put(flow, [self._new_id(flow) for _ in range(BURST)])
        if waiting(self._app, BAD.queue) < BAD.backlog:
            # One in three ends its worker, each time: a kill that needs nobody.
            self._put(BAD, [self._new_id(BAD) + self._random.choice(("", "", "-exit"))])
        for flow, write in ((BLOBS, self._write_blob), (FILES, self._write_file)):
            if waiting(self._app, flow.queue) < flow.backlog:
                for _ in range(3):
                    write(self._new_id(flow), "")
                latest = _latest_done(self._app, flow)
                if latest and latest not in self._changed:
                    self._changed.add(latest)
                    write(latest, ".again")

    def _new_id(self, flow: Flow) -> str:
        return f"{flow.outputs[0][:2]}{next(self._numbers)}"

    def _put(self, flow: Flow, ids: list[str]) -> None:
        bodies = [self._body(flow, id) for id in ids]
        try:
            self._app.send(flow.queue, *bodies)
        except (FunchostError, OSError):
            self.unsure[flow] += ids
        else:
            self.sent[flow] += ids

    def _body(self, flow: Flow, id: str) -> str:
        if flow is not GUARDED:
            return id
        return json.dumps({"id": id, "customer": f"c{self._random.randrange(CUSTOMERS)}"})

    # -- people and their files

    def _write_blob(self, id: str, version: str) -> None:
        """As a program that writes beside and renames."""
        folder = self._app.store / "blobs" / "incoming"
        draft = folder / f"{id}.draft"
        self._write(BLOBS, id + version, draft, folder / f"{id}.txt")

    def _write_file(self, id: str, version: str) -> None:
        """As a program that writes into the file itself."""
        self._write(FILES, id + version, self._app.root / "incoming" / f"{id}.txt", None)

    def _write(self, flow: Flow, content: str, path: Path, renamed: Path | None) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            if renamed:
                path.rename(renamed)
        except OSError:
            path.unlink(missing_ok=True)
            self.unsure[flow].append(content)
        else:
            self.sent[flow].append(content)

    # -- callers

    def _call(self) -> None:
        url = self._callers.choice([host.url for host in self._hosts])
        if not url or waiting(self._app, JOBS.queue) >= 2 * JOBS.backlog:
            return
        ids = [f"http{next(self._numbers)}" for _ in range(BURST)]
        try:
            with urllib.request.urlopen(f"{url}/api/front", " ".join(ids).encode(), CALL_TIMEOUT) as answer:
                answer.read()
        except (OSError, http.client.HTTPException):
            self.calls_unanswered += 1
            self.unsure[JOBS] += ids
        else:
            self.calls_answered += 1
            self.sent[JOBS] += ids


def waiting(app: App, queue: str) -> int:
    """Messages in a queue, in flight or not."""
    try:
        with closing(_reader(app)) as connection:
            return int(
                connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()[0]
            )
    except sqlite3.Error:
        return 0  # there is no store yet


def _latest_done(app: App, flow: Flow) -> str | None:
    """A blob or file whose first version has been run."""
    query = "SELECT body FROM messages WHERE queue = ? ORDER BY id DESC LIMIT 1"
    try:
        with closing(_reader(app)) as connection:
            found = connection.execute(query, (flow.outputs[0],)).fetchone()
    except sqlite3.Error:
        return None
    return found[0].decode() if found and b"." not in found[0] else None


def _reader(app: App) -> sqlite3.Connection:
    return sqlite3.connect(f"{(app.store / 'store.db').as_uri()}?mode=ro", uri=True, isolation_level=None)
