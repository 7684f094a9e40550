"""The log of hosts in files, which other processes can follow: ``<store>/logs/host-<start>-<process>.<number>.jsonl``.

Each host appends to a file of its own and begins another one when that is full; nothing is renamed. What all of them
take has a limit: the oldest go. Lines are written some at a time by a thread, so that they cost the host little.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ...bindings.counted import counted
from ...bindings.private_files import make_private_folder, private_opener
from .line import LogLine, json_line

#: Where they are in the folder of a store.
LOGS = "logs"

#: What all files may take, in MiB, unless host.json says otherwise.
DEFAULT_SIZE = 64

#: So much of that one file may take.
_SHARE = 8

#: Seconds for which lines are gathered before they are written.
_GATHER = 0.05

#: Characters that may wait for a disk that does not take them; lines beyond that are counted and dropped.
_MOST_WAITING = 64 * 1024 * 1024

#: What a line takes beside its text, about.
_AROUND = 200


class LogFiles:
    """The files of one host. `close` writes what is waiting."""

    def __init__(
        self,
        folder: Path,
        began: datetime,
        *,
        limit: int = DEFAULT_SIZE * 1024 * 1024,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`limit` is in bytes. Of files that cannot be written `report` is told, once in a row."""
        self._folder = folder
        self._name = f"host-{began:%Y%m%dT%H%M%S}-{os.getpid()}"
        self._limit = limit
        self._report = report
        self._number = 0
        self._file: int | None = None
        self._size = 0
        self._failed = False
        self._adding = threading.Lock()
        self._lines: list[LogLine] = []
        self._waiting = 0
        self._dropped = 0
        self._more, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-files", daemon=True)
        self._thread.start()

    def add(self, line: LogLine) -> None:
        """Take in a line, to be written soon. May be called from any thread."""
        with self._adding:
            size = len(line.text) + _AROUND
            if self._waiting and self._waiting + size > _MOST_WAITING:
                self._dropped += 1
                return
            self._waiting += size
            self._lines.append(line)
            is_first = len(self._lines) == 1
        if is_first:
            self._more.set()

    def close(self) -> None:
        """Write what is waiting, and stop."""
        self._closing.set()
        self._more.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._more.wait()
            self._more.clear()
            closing = self._closing.wait(_GATHER)
            with self._adding:
                lines, self._lines, self._waiting = self._lines, [], 0
                dropped, self._dropped = self._dropped, 0
            if dropped:
                text = f"{counted(dropped, 'line')} dropped: more came than could be written"
                lines.append(LogLine(lines[-1].time, "warning", text))
            if lines:
                self._write("".join(map(_encoded, lines)).encode())
        self._end_file()

    def _write(self, content: bytes) -> None:
        try:
            file = self._open_file()
            # In one step where the system can: who follows sees whole lines.
            while content:
                written = os.write(file, content)
                self._size += written
                content = content[written:]
            self._failed = False
        except OSError as error:
            self._end_file()
            if not self._failed:
                self._failed = True
                self._report(f"The log cannot be written to {self._folder}: {error.strerror or error}.")

    def _open_file(self) -> int:
        """The file to write to: another one when this one is full, or was removed."""
        if self._file is not None and (self._size >= self._share or not os.fstat(self._file).st_nlink):
            self._end_file()
        if self._file is None:
            make_private_folder(self._folder)
            self._make_room()
            self._number += 1
            path = self._folder / f"{self._name}.{self._number:04}.jsonl"
            self._file = private_opener(str(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            self._size = os.fstat(self._file).st_size
        return self._file

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)

    @property
    def _share(self) -> int:
        return self._limit // _SHARE

    def _make_room(self) -> None:
        """Remove the oldest files until one more of full size keeps within the limit."""
        files = sorted(map(_age_and_size, self._folder.glob("*.jsonl")), reverse=True)
        room = self._limit - self._share
        for _, size, path in files:
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)


def _encoded(line: LogLine) -> str:
    try:
        return json_line(line)
    except (TypeError, ValueError, OverflowError):
        # Details that no JSON takes, such as names of files that are no Unicode.
        return json_line(LogLine(line.time, line.level, line.text, invocation=line.invocation))


def _age_and_size(path: Path) -> tuple[float, int, Path]:
    try:
        status = path.stat()
    except OSError:
        return 0.0, 0, path  # another host has removed it
    return status.st_mtime, status.st_size, path
