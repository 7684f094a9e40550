"""Hosts of the soak: each is started again at once however it ended, and all that was done to it is taken down."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from e2e.apps import App

#: Seconds that a host may take until it listens, and until it has stopped; far more than it takes.
PATIENCE = 90.0

_LISTENING = re.compile(rb"^Listening on (\S+)", re.MULTILINE)

#: What a log never holds while all is as it should be, whatever is done to the host.
_ALARMING = re.compile(
    r"never retrieved|was never awaited|was destroyed but|Exception ignored|Exception in callback|Fatal Python"
    r"|database disk image is malformed|AssertionError|UnboundLocalError|AttributeError"
)


class Record:
    """What was done to the hosts, and what they did that they must not do. Safe to use from any thread."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        #: Seconds from the start of a process until it listened.
        self.starts: list[float] = []
        #: When each process was killed, on the monotonic clock.
        self.kills: list[float] = []
        self.breaches: list[str] = []
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.lines: list[str] = []

    def note(self, what: str, more: str = "") -> None:
        """Take down that something was done."""
        now = time.monotonic()
        with self._lock:
            self.counts[what] += 1
            self.lines.append(f"{time.time():.3f} {now - self._began:8.3f} {what} {more}".rstrip())
            if what.startswith("kill "):
                self.kills.append(now)

    def breach(self, sentence: str) -> None:
        """Take down that a promise was broken."""
        with self._lock:
            self.breaches.append(sentence)
            self.lines.append(f"{time.time():.3f} {time.monotonic() - self._began:8.3f} BREACH {sentence}")


class Host:
    """A host that a supervisor starts again and again, until `end`."""

    def __init__(
        self,
        name: str,
        app: App,
        logs: Path,
        record: Record,
        env: dict[str, str],
        arguments: Callable[[], list[str]],
    ) -> None:
        """`arguments` gives those of each start. The logs of all starts go into `logs`."""
        self._name = name
        self._app = app
        self._logs = logs
        self._record = record
        self._env = {**_clean_environment(), **env}
        self._arguments = arguments
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._meant: set[int] = set()
        self._ending = False
        #: Where it listens; empty while it does not.
        self.url = ""
        #: How many processes it has been.
        self.turns = 0
        #: A start may fail for this reason just now; empty: it may not.
        self.excuse: Callable[[], str] = str
        self._thread = threading.Thread(target=self._supervise, name=f"host {name}", daemon=True)

    def begin(self) -> None:
        """Start it for the first time."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process, from its very start; None between two of them."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def age(self) -> float:
        """Seconds since its process was started."""
        return time.monotonic() - self._began

    def workers(self) -> list[int]:
        """Its worker processes."""
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(self.pid or 0).children() if self.pid]
        return []

    def wait_for_turn(self, turn: int) -> None:
        """Wait until that process has been started, the first being 1."""
        with self._changed:
            self._changed.wait_for(lambda: self.turns >= turn, PATIENCE)

    def wait_until_ready(self) -> bool:
        """Wait until it listens; False when it does not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self.url), PATIENCE)

    def kill(self) -> bool:
        """kill -9, by process id; False when there was nothing to kill."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        self._meant.add(process.pid)
        self._record.note("kill host" if self.url else "kill host at start", f"{self._name} {process.pid}")
        process.kill()
        return True

    def kill_worker(self, choose: Callable[[list[int]], int]) -> bool:
        """kill -9 one of its workers; False when there is none."""
        workers = self.workers()
        if not workers:
            return False
        pid = choose(workers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._record.note("kill worker", f"{self._name} {pid}")
            return True
        return False

    def stop(self) -> None:
        """Ask it to stop. The supervisor sees to it that it does."""
        process = self._process
        if process is not None and process.poll() is None and self.url:
            self._record.note("stop", f"{self._name} {process.pid}")
            process.send_signal(signal.SIGTERM)
            self._watch_stop(process)

    def end(self) -> None:
        """Stop it for good."""
        self._ending = True
        self.stop()
        self._thread.join(PATIENCE + 5)

    def abandon(self) -> None:
        """Leave nothing running, whatever state it is in."""
        self._ending = True
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    # -- the supervisor

    def _supervise(self) -> None:
        while not self._ending:
            self.turns += 1
            log = self._logs / f"{self._name}-{self.turns:04}.log"
            with log.open("wb") as out:
                self._began = began = time.monotonic()
                process = subprocess.Popen(
                    self._command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._env
                )
                self._process = process
                self._tell()
                if self._await_listening(process, log, began):
                    self._tell()
                code = process.wait()
            was_ready, self.url = bool(self.url), ""
            self._judge(process.pid, code, was_ready, log)

    def _command(self) -> list[str]:
        where = ["--root", str(self._app.root), "--store", str(self._app.store), "--port", "0"]
        return [sys.executable, "-P", "-m", "funchost", "start", *where, *self._arguments()]

    def _await_listening(self, process: subprocess.Popen[bytes], log: Path, began: float) -> bool:
        while process.poll() is None:
            if found := _LISTENING.search(log.read_bytes()):
                self._record.starts.append(time.monotonic() - began)
                self.url = found[1].decode()
                return True
            if time.monotonic() - began > PATIENCE:
                self._record.breach(f"Host {self._name} did not listen within {PATIENCE:g} s: {log}")
                self._meant.add(process.pid)
                process.kill()
                return False
            time.sleep(0.01)
        return False

    def _judge(self, pid: int, code: int, was_ready: bool, log: Path) -> None:
        """Whether it ended as it was meant to."""
        killed = pid in self._meant and code == -signal.SIGKILL
        if not killed and not (code == 0 and was_ready):
            excuse = "" if was_ready else self.excuse()
            if excuse:
                self._record.note("start refused", f"{self._name}: {excuse}")
                time.sleep(0.2)
            else:
                self._record.breach(f"Host {self._name} ended by itself with exit code {code}: {log}")
                time.sleep(1)
        for line in _alarms(log):
            self._record.breach(f"{log.name} says: {line}")

    def _watch_stop(self, process: subprocess.Popen[bytes]) -> None:
        def watch() -> None:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._record.breach(f"Host {self._name} ({process.pid}) did not stop within {PATIENCE:g} s.")
                self._meant.add(process.pid)
                process.kill()

        threading.Thread(target=watch, daemon=True).start()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _alarms(log: Path) -> Iterator[str]:
    with log.open(errors="replace") as lines:
        return iter([line.strip() for line in lines if _ALARMING.search(line)][:3])


def _clean_environment() -> dict[str, str]:
    """This one without what would change a host; with bytecode, without which a start takes seconds."""
    dropped = ("AzureWebJobs", "FUNCTIONS_", "FUNCHOST_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return {**kept, "NO_COLOR": "1"}
