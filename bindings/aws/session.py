"""The AWS clients of one connection, and calls on them beside the event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .answers import check_answer
from .call_threads import CallThreads
from .errors import CredentialsRefused, translated
from .settings import AwsSettings

T = TypeVar("T")

#: Calls at a time on one connection; long polls are not among them.
CALLS = 16

#: Connections that a client keeps open. Polls need one each, and one too many is a new TLS handshake each time.
POOL = 100

#: What an emulator is shown: real credentials are nothing for it.
EMULATED_CREDENTIALS = {"aws_access_key_id": "funchost", "aws_secret_access_key": "funchost"}

#: Seconds: to connect; for an answer; and for one that takes long on purpose, longer than any long poll.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
LONG_READ_TIMEOUT = 14

#: Libraries that log what comes to us as errors, some of it with tracebacks and again with each call.
_LIBRARIES = ("boto3", "botocore", "s3transfer", "urllib3")


class AwsSession:
    """Makes each client once and calls it in threads. May be used from many tasks at once.

    The threads are of its own and die with the process: a long poll cannot be broken off, and must hold up
    neither the threads that others wait for nor the end of the process.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._session: Any = None
        #: By service, and whether answers may take long.
        self._clients: dict[tuple[str, bool], Any] = {}
        self._calls = asyncio.Semaphore(CALLS)
        self._threads = CallThreads()

    def client(self, service: str, *, patient: bool = False) -> Any:
        """The client of a service, such as ``sqs``; a `patient` one is for answers that take long on purpose.

        The first call takes 0.2 s: not for the event loop. When credentials were refused it is made anew, since others
        may be found by then. So ask for it for each call.
        """
        with self._lock:
            if (service, patient) not in self._clients:
                self._clients[service, patient] = self._made(service, patient)
            return self._clients[service, patient]

    async def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation by its Python name, such as ``send_message_batch``.

        Raises the errors of `errors.translated`.
        """
        async with self._calls:
            return await self._called(service, operation, arguments, patient=False)

    async def long_call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """As `call`, for what may take long on purpose: it is not counted, and not made again when it fails."""
        return await self._called(service, operation, arguments, patient=True)

    async def _called(
        self, service: str, operation: str, arguments: dict[str, Any], *, patient: bool
    ) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            answer: dict[str, Any] = getattr(self.client(service, patient=patient), operation)(**arguments)
            return answer

        try:
            return await in_thread(work, self._threads.submit)
        except Exception as error:
            raise translated(error, self.settings) from error

    def close(self) -> None:
        """Close the connections of all clients."""
        # A thread that looks for credentials may have the lock for long: it is not waited for.
        if self._lock.acquire(blocking=False):
            clients = list(self._clients.values())
            self._clients.clear()
            self._lock.release()
            for client in clients:
                client.close()

    def _made(self, service: str, patient: bool) -> Any:
        import boto3
        from botocore.config import Config

        if self._session is None:
            self._session = self._new_session()
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=LONG_READ_TIMEOUT if patient else READ_TIMEOUT,
            # Few tries here: whoever calls goes on with pauses that it shows to people.
            retries={"mode": "standard", "total_max_attempts": 1 if patient else 2},
            max_pool_connections=POOL,
            tcp_keepalive=True,
            # In short: what boto3 says of itself otherwise is put together anew for each call, a tenth of its time.
            user_agent=f"Boto3/{boto3.__version__} funchost",
        )
        try:
            client = self._session.client(service, endpoint_url=self.settings.endpoint_url, config=config)
        except Exception:
            self._session = None  # which keeps what it has read of the configuration files
            raise
        self._listen_to(client.meta.events, self._session)
        return client

    def _new_session(self) -> Any:
        import boto3

        for library in _LIBRARIES:
            logging.getLogger(library).setLevel(logging.CRITICAL)
        settings = self.settings
        credentials = EMULATED_CREDENTIALS if settings.emulated else {}
        return boto3.Session(profile_name=settings.profile, region_name=settings.region, **credentials)

    def _listen_to(self, events: Any, session: Any) -> None:
        """Have answers of a client checked, and have credentials looked for anew when its own were refused."""

        def check(operation_model: Any, response_dict: dict[str, Any], **more: Any) -> None:
            service, operation = operation_model.service_model.service_name, operation_model.name
            status = response_dict["status_code"]
            headers = {name.lower(): value for name, value in response_dict["headers"].items()}
            check_answer(self.settings, service, operation, status, headers, response_dict["body"])

        def answered(parsed: dict[str, Any], **more: Any) -> None:
            if "Error" in parsed:
                self._forget_refused(_Answered(parsed), session)

        def failed(exception: Exception, **more: Any) -> None:
            self._forget_refused(exception, session)

        events.register("before-parse", check)
        events.register("after-call", answered)
        events.register("after-call-error", failed)

    def _forget_refused(self, error: Exception, session: Any) -> None:
        if isinstance(translated(error, self.settings), CredentialsRefused):
            with self._lock:
                if self._session is session:
                    self._session = None
                    self._clients.clear()


class _Answered(Exception):
    """An answer that tells of an error, looked at before boto3 raises it."""

    def __init__(self, response: dict[str, Any]) -> None:
        super().__init__()
        self.response = response


def _new_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="aws", daemon=True).start()


async def in_thread(work: Callable[[], T], submit: Callable[[Callable[[], None]], None] = _new_thread) -> T:
    """What `work` gives, done in a thread that does not hold up the end of the process; `submit` provides it."""
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

    submit(run)
    return await future


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: Any) -> None:
    """Call in the loop, unless that has ended meanwhile."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
