"""How a worker gets hold of the stream to its host, and notices that the host is gone."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import socket
import sys
import threading

from .server import WorkerServer


def serve() -> None:
    """Serve the host that started this process; returns never."""
    # Ctrl+C at a terminal, and many a service manager, reach the whole group: when workers end is the host's
    # decision. Handlers, because an ignored signal would stay ignored in what user code starts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    # The shortest turn for threads costs nothing alone and keeps neighbours of a busy one alive.
    sys.setswitchinterval(0.0005)
    faulthandler.enable()
    stream = _stream()
    _die_with_host()
    asyncio.run(_serve(stream))


async def _serve(stream: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_connection(WorkerServer, sock=stream)
    await asyncio.Event().wait()


def _stream() -> socket.socket:
    number = os.environ.pop("FUNCHOST_WORKER_FD", None)
    if number is not None:
        os.set_inheritable(int(number), False)
        return socket.socket(fileno=int(number))
    host, _, port = os.environ.pop("FUNCHOST_WORKER_ADDRESS").rpartition(":")
    stream = socket.create_connection((host, int(port)))
    stream.sendall(os.environ.pop("FUNCHOST_WORKER_TOKEN").encode() + b"\n")
    return stream


def _die_with_host() -> None:
    """End with the host even when the loop is busy: standard input is a pipe that the host never writes to."""
    lifeline = os.dup(0)
    os.set_inheritable(lifeline, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    leave = os._exit

    def wait() -> None:
        while True:
            try:
                if not os.read(lifeline, 1):
                    leave(0)
            except OSError:
                leave(0)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
