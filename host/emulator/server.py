"""moto's server in a thread of this process, or alone: `python -m funchost.host.emulator.server [PORT]`."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ...bindings.errors import FunchostError
from .ending import Ending

if TYPE_CHECKING:
    from .keeper import StateKeeper
    from .traffic import Traffic

#: What lines on stderr begin with that are for people; others come from moto.
MARK = "emulator: "


class EmulatorServer:
    """Serves AWS at `url`, from `start` to `stop`. Any credentials are accepted.

    What it holds is forgotten at the end, unless there is a `state` file: that is read at the start, and written
    while things change and at the end. moto keeps what it holds for the process as a whole: two servers of one
    process show the same.
    """

    def __init__(
        self,
        port: int = 0,
        address: str = "127.0.0.1",
        *,
        listening: socket.socket | None = None,
        state: Path | None = None,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`listening` is a socket instead of a port of our own. `tell` is given what goes wrong later.

        Raises `OSError` for a port that is taken, `ConfigurationError` for a state that cannot be used.
        """
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        from .moto_objects import mend_objects
        from .moto_queues import mend_queues
        from .traffic import Traffic

        mend_objects()
        mend_queues()
        # One line for each request is nothing that people want to read.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        traffic = Traffic(DomainDispatcherApplication(create_backend_app))
        # Ours: werkzeug ends the process when it cannot listen.
        with listening or listening_socket(port, address) as own:
            port = own.getsockname()[1]
            self._keeper = _restored(state, traffic, tell) if state else None
            # Its threads are daemons: an open long poll does not hold up the end.
            self._server = make_server(
                address, port, traffic, threaded=True, request_handler=MotoRequestHandler, fd=own.fileno()
            )
        self._thread = threading.Thread(target=self._server.serve_forever, name="emulator", daemon=True)
        self.url = url_of(address, port)
        # moto looks there for its own port, when one service calls another.
        os.environ["MOTO_PORT"] = str(port)

    def start(self) -> Self:
        """Serve from now on."""
        self._thread.start()
        if self._keeper:
            self._keeper.start()
        return self

    def stop(self) -> None:
        """Serve no more, and save the state."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._keeper:
            self._keeper.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def listening_socket(port: int, address: str = "127.0.0.1") -> socket.socket:
    """A socket that takes connections, which wait until a server serves it. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=128)


def url_of(address: str, port: int) -> str:
    """How a server that listens there is reached from this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _restored(state: Path, traffic: Traffic, tell: Callable[[str], None]) -> StateKeeper:
    from .keeper import StateKeeper
    from .state import StateFile

    keeper = StateKeeper(StateFile(state), traffic, tell)
    keeper.restore()
    return keeper


def main() -> None:
    """Serve until Ctrl+C or SIGTERM; the URL is the one line on stdout.

    With `--child` it is the number of a listening socket that a parent process has left open for it: then Ctrl+C is
    for the parent, and the end of standard input, which the parent's death is too, ends it.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--child", type=int)
    options = parser.parse_args()
    ending = Ending(child=options.child is not None)
    listening = socket.socket(fileno=options.child) if options.child is not None else None
    try:
        server = EmulatorServer(options.port, listening=listening, state=options.state, tell=_tell)
    except (FunchostError, OSError) as error:
        sys.exit(f"{MARK}{error}")
    with server:
        print(server.url, flush=True)
        # What moto prints is no answer to anybody.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        ending.wait()


def _tell(message: str) -> None:
    print(f"{MARK}{message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
