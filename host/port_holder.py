"""Names the process that holds a port, as far as the system tells us."""

from __future__ import annotations


def holder_of(port: int) -> str:
    """Such as `` by python3 (process 123)``; empty when it cannot be told."""
    import psutil  # 20 ms of import, for the one case in which it is wanted

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return ""
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            return _named(connection.pid)
    return ""


def _named(pid: int | None) -> str:
    import psutil

    if pid is None:
        return " by a process of another user"
    try:
        return f" by {psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f" by process {pid}"
