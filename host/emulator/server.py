"""moto's server in a thread of this process, or alone: `python -m funchost.host.emulator.server [PORT]`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from types import TracebackType
from typing import Self


class EmulatorServer:
    """Serves AWS at `url`, from `start` to `stop`. Any credentials are accepted; all is forgotten at the end.

    moto keeps what it holds for the process as a whole: two servers of one process show the same.
    """

    def __init__(self, port: int = 0, address: str = "127.0.0.1") -> None:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        from .moto_objects import mend_objects
        from .moto_queues import mend_queues

        mend_objects()
        mend_queues()
        # One line for each request is nothing that people want to read.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        application = DomainDispatcherApplication(create_backend_app)
        # Its threads are daemons: an open long poll does not hold up the end.
        self._server = make_server(
            address, port, application, threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="emulator", daemon=True)
        self.url = f"http://{address}:{self._server.server_port}"
        # moto looks there for its own port, when one service calls another.
        os.environ["MOTO_PORT"] = str(self._server.server_port)

    def start(self) -> Self:
        """Serve from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def join(self) -> None:
        """Wait until somebody stops it."""
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    """Serve until Ctrl+C or SIGTERM; the URL is the one line on stdout."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with (
        EmulatorServer(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        print(server.url, flush=True)
        server.join()


if __name__ == "__main__":
    main()
