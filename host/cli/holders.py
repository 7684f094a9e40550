"""Names the processes that hold a port or a file, as far as the system tells us."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .output import Exit, Failure


def holder_of_port(port: int) -> str:
    """Such as `` by python3 (process 123)``; empty when it cannot be told."""
    import psutil  # 20 ms of import, for the few cases in which it is wanted

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return ""
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            if connection.pid is None:
                return " by a process of another user"
            return f" by {_named(connection.pid)}"
    return ""


def port_taken(port: int, option: str) -> Failure:
    """The end of a command that wants a port which somebody has; `option` chooses another one."""
    holder = holder_of_port(port)
    return Failure(
        f"Port {port} is in use{holder}. End that process, or choose another port with {option}.", Exit.IN_USE
    )


def holders_of_file(path: Path) -> list[str]:
    """The other processes that have the file open, such as ``sqlite3 (process 123)``."""
    import psutil

    found = []
    for process in psutil.process_iter():
        # Processes end while we look, and those of others do not show their files.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(Path(file.path) == path for file in process.open_files()):
                found.append(_named(process.pid))
    return found


def _named(pid: int) -> str:
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"
