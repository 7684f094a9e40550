"""The `funchost` command at a terminal of its own, as somebody sits before it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from e2e.running import COMMAND, DEADLINE

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command that runs at a terminal of so many columns, in a `with` block."""

    def __init__(
        self, *arguments: str | Path, columns: int = 100, env: Mapping[str, str] | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # Whoever runs the tests may say how wide terminals are; this one knows for itself.
            env={name: value for name, value in os.environ.items() if name != "COLUMNS"} | dict(env or {}),
            start_new_session=True,
        )
        os.close(theirs)
        self._said = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE)
        os.close(self._ours)

    @property
    def screen(self) -> str:
        """All that it has shown so far, without colours."""
        return _STYLE.sub("", self._said.decode(errors="replace")).replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        """Wait until the terminal shows a text."""
        end = time.monotonic() + DEADLINE
        while text not in self.screen:
            assert time.monotonic() < end and self._read(0.1), f"{text!r} is not shown:\n{self.screen}"

    def type(self, text: str) -> None:
        """Type something; what was shown so far is wiped away."""
        self._said = b""
        os.write(self._ours, text.encode())

    def signal(self, number: int) -> None:
        """Send the command a signal, as the terminal does for Ctrl+C."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for its end, and return its exit code."""
        end = time.monotonic() + DEADLINE
        while self._read(0.1):
            assert time.monotonic() < end, f"it does not end:\n{self.screen}"
        return self._process.wait(DEADLINE)

    def _read(self, seconds: float) -> bool:
        """Read what comes; False once nothing will come any more."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            more = os.read(self._ours, 65_536)
        except OSError:  # as Linux says that nobody has the other end
            return False
        self._said += more
        return bool(more)
