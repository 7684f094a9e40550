"""Calls a URL that a caller gave: nowhere but where it may lead, and taking no more than is needed of the answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...bindings.errors import BindingError, FunchostError
from .addresses import Destinations, checked_url, is_public

if TYPE_CHECKING:
    import aiohttp

#: Seconds that a call may take, and its connection.
TIMEOUT, CONNECT_TIMEOUT = 30.0, 10.0

#: Bytes of an answer that are read; what is in it does not matter.
MOST_READ = 64 * 1024

#: The receiver will never want it.
_GONE = 410


class CallFailed(FunchostError):
    """The call did not succeed; it may the next time."""


class CallRefused(FunchostError):
    """The call is not made, now or later."""


class CallbackClient:
    """Makes calls. Nothing is opened before the first; `close` when done."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        #: For hosts that may be anywhere, and for all others.
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send it. Raises `CallFailed`, and `CallRefused` where it is of no use to try again."""
        try:
            host = urlsplit(checked_url(url)).hostname or ""
        except BindingError as error:
            raise CallRefused(str(error)) from None
        session = self._session(anywhere=self._destinations.allow_any_address(host))
        import aiohttp

        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                await _read_some(response.content)
                status = response.status
        except TimeoutError:
            raise CallFailed(f"{host} did not answer within {TIMEOUT:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(f"{host} could not be called: {error}.") from None
        _judge(host, status)

    async def close(self) -> None:
        """Let go of all connections."""
        await asyncio.gather(*(session.close() for session in self._sessions.values()))

    def _session(self, *, anywhere: bool) -> aiohttp.ClientSession:
        if anywhere not in self._sessions:
            self._sessions[anywhere] = _opened(anywhere=anywhere)
        return self._sessions[anywhere]


def _opened(*, anywhere: bool) -> aiohttp.ClientSession:
    import aiohttp  # few apps have anybody called back

    connector = aiohttp.TCPConnector(
        # Here the address is known that is connected to, whatever a name server says another time.
        socket_factory=_socket if anywhere else _public_socket,
        happy_eyeballs_delay=None,
        use_dns_cache=False,
        force_close=True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=CONNECT_TIMEOUT),
        auto_decompress=False,
        trust_env=False,
    )


def _socket(place: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = place
    return socket.socket(family, kind, protocol)


def _public_socket(place: tuple[Any, ...]) -> socket.socket:
    address = str(place[4][0])
    if not is_public(address):
        raise CallRefused(
            f"Its host is {address}, an address that is not of the internet. FUNCHOST_CALLBACK_HOSTS names hosts that may "
            "be called all the same."
        )
    return _socket(place)


async def _read_some(content: aiohttp.StreamReader) -> None:
    read = 0
    while read < MOST_READ and (chunk := await content.read(MOST_READ - read)):
        read += len(chunk)


def _judge(host: str, status: int) -> None:
    if 200 <= status < 300:
        return
    if status == _GONE:
        raise CallRefused(f"{host} answered 410: it is gone for good.")
    redirect = "; redirects are not followed" if 300 <= status < 400 else ""
    raise CallFailed(f"{host} answered {status}{redirect}.")
