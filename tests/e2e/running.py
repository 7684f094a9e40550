"""The `funchost` command as tests run it: `funchost(...)` to its end, `RunningHost` for as long as it serves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

#: The command that belongs to this interpreter.
COMMAND = str(Path(sys.executable).with_name("funchost"))

#: How long anything may take before the test fails, in seconds; far more than it takes.
DEADLINE = 30.0

_LISTENING = re.compile(r"^Listening on (\S+)", re.MULTILINE)


def funchost(
    *arguments: str | Path, data: bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end with `data` on its standard input."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=DEADLINE,
        cwd=cwd,
        env=_environment(env),
        check=False,
    )


class RunningHost:
    """A host of its own process on a free port, in a `with` block or between `start` and `stop` or `kill`.

    `arguments` are further ones of `funchost start`. What it says (stdout and stderr) is in `log`.
    """

    def __init__(self, root: Path, *arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.url = ""
        self._command = [COMMAND, "start", "--root", str(root), "--port", "0", *map(str, arguments)]
        self._env = _environment(env)
        self._said = ""
        self._more = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            if kind is None:
                self.stop()
            else:
                self.kill()
        self._close()

    def start(self) -> Self:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._env,
        )
        self._reader.start()
        try:
            self.url = self.wait_for(_LISTENING)[1]
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def log(self) -> str:
        """All that it has said so far."""
        with self._more:
            return self._said

    @property
    def pid(self) -> int:
        """The process id of the host."""
        return self._running.pid

    def wait_for(self, wanted: str | re.Pattern[str], deadline: float = DEADLINE) -> re.Match[str]:
        """Wait until the log holds a text or matches a pattern; returns the match."""
        pattern = re.compile(re.escape(wanted)) if isinstance(wanted, str) else wanted
        end = time.monotonic() + deadline
        with self._more:
            while not (found := pattern.search(self._said)):
                ended = not self._reader.is_alive()
                if ended or not self._more.wait(timeout=max(0.0, end - time.monotonic())):
                    why = "ended" if ended else f"did not say so in {deadline:g} s"
                    raise AssertionError(f"The host {why}: {pattern.pattern!r}. It said:\n{self._said}")
            return found

    def signal(self, number: int) -> None:
        """Send the host a signal."""
        self._running.send_signal(number)

    def wait(self, deadline: float = DEADLINE) -> int:
        """Wait for its end and return its exit code."""
        try:
            code = self._running.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"The host did not end in {deadline:g} s. It said:\n{self.log}") from None
        self._close()
        return code

    def stop(self, deadline: float = DEADLINE) -> int:
        """Ask it to stop, wait for its end, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(deadline)

    def kill(self) -> None:
        """End it as a crash would."""
        self._running.kill()
        self._running.wait(DEADLINE)
        self._close()

    @property
    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the host was not started"
        return self._process

    def _read(self) -> None:
        stream = self._running.stdout
        assert stream is not None
        for line in stream:
            with self._more:
                self._said += line
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def _close(self) -> None:
        # Workers that outlive a killed host for a moment still hold the pipe.
        self._reader.join(DEADLINE)
        if self._running.stdout and not self._reader.is_alive():
            self._running.stdout.close()


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """This environment without what would change how the command behaves."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("AzureWebJobs", "FUNCTIONS_"))
    }
    return {**kept, "NO_COLOR": "1", **(more or {})}
