"""The AWS clients of one connection, and calls on them beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import translated
from .settings import AwsSettings

T = TypeVar("T")

#: Calls at a time on one connection; long polls are not among them.
CALLS = 16

#: Connections that a client keeps open. Polls need one each, and one too many is a new TLS handshake each time.
POOL = 100

#: Seconds: to connect, and for an answer. The latter is longer than any long poll.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30


class AwsSession:
    """Makes each client once and calls it in threads. May be used from many tasks at once.

    The threads are of its own and die with the process: a long poll cannot be broken off, and must hold up
    neither the threads that others wait for nor the end of the process.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._calls = asyncio.Semaphore(CALLS)

    def client(self, service: str) -> Any:
        """The client of a service, such as ``sqs``. The first call takes 0.2 s: not for the event loop."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    async def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation by its Python name, such as ``send_message_batch``.

        Raises the errors of `errors.translated`.
        """
        async with self._calls:
            return await self.long_call(service, operation, **arguments)

    async def long_call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """As `call`, for what may take long on purpose and is therefore not counted."""

        def work() -> dict[str, Any]:
            answer: dict[str, Any] = getattr(self.client(service), operation)(**arguments)
            return answer

        try:
            return await in_thread(work)
        except Exception as error:
            raise translated(error, self.settings) from error

    def close(self) -> None:
        """Close the connections of all clients."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def _made(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        settings = self.settings
        if self._session is None:
            self._session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            # Few tries here: whoever calls goes on with pauses that it shows to people.
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=POOL,
            tcp_keepalive=True,
            user_agent_extra="funchost",
        )
        return self._session.client(service, endpoint_url=settings.endpoint_url, config=config)


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, done in a thread that does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(tell_future: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            tell_future(value)

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            _post(loop, tell, future.set_exception, error)
        else:
            _post(loop, tell, future.set_result, result)

    threading.Thread(target=run, name="aws", daemon=True).start()
    return await future


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: Any) -> None:
    """Call in the loop, unless that has ended meanwhile."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
