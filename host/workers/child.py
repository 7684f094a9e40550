"""A child process seen from the event loop: what it writes, line by line, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

#: A line without an end is passed on when it has grown to this many bytes.
_LONGEST_LINE = 64 * 1024

OnLine = Callable[[str], None]


class ChildProcess(asyncio.SubprocessProtocol):
    """A started process. Its standard input is a pipe that is never written to and ends with this process; a plain
    one, since the loop would make it a socket, into which the child could write.

    Not `asyncio.create_subprocess_exec`: waiting there lasts until the pipes are closed as well, and a
    grandchild may hold them open for ever.
    """

    def __init__(self, on_line: OnLine, lifeline: int) -> None:
        """`lifeline` is this end of the pipe, which is kept until `close`."""
        loop = asyncio.get_running_loop()
        self._on_line = on_line
        self._lifeline: int | None = lifeline
        self._rest = b""
        self._transport: asyncio.SubprocessTransport | None = None
        self.pid = 0
        #: Done with the exit code (negative: the signal) once the process is gone.
        self.exited: asyncio.Future[int] = loop.create_future()
        #: Done once nothing more can be written, by the process or by those it started.
        self.silent: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        on_line: OnLine,
        *,
        environment: Mapping[str, str],
        folder: Path,
        inherited: int,
    ) -> ChildProcess:
        """Start a process that inherits one file descriptor. Raises `OSError`."""
        standard_input, lifeline = os.pipe()
        try:
            _, child = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(on_line, lifeline),
                *command,
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                pass_fds=(inherited,),
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(standard_input)
        return child

    def kill(self) -> None:
        """End the process now, without waiting."""
        if self._transport and not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()

    def close(self) -> None:
        """Read no more of its output; ends it if it still runs."""
        if self._transport:
            self._transport.close()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    # -- asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._tell(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1 and not self.silent.done():
            if self._rest:
                self._tell(self._rest)
            self.silent.set_result(None)

    def process_exited(self) -> None:
        if self._transport and not self.exited.done():
            self.exited.set_result(self._transport.get_returncode() or 0)

    def _tell(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace"))


def describe_exit(code: int) -> str:
    """How a process ended that had this exit code."""
    if code >= 0:
        return f"the worker process exited with code {code}"
    try:
        return f"the worker process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the worker process was ended by signal {-code}"
