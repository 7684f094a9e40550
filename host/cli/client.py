"""Asks a running host over its admin API."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from ...bindings.errors import BindingError, ConfigurationError, FunchostError, HostUnreachable, NotFound
from ..runtime import Runtime
from ..served_function import FunctionStatus

#: Seconds in which a host that is well answers what needs no work.
ANSWER_TIMEOUT = 5.0

#: Seconds before a key that was not taken is shown again: a host on a store that tells of changes late looks for
#: it when it is first shown.
KEY_PAUSES = (1.0, 1.5)

#: What each refusal of the admin API means here.
_REFUSALS = {400: BindingError, 404: NotFound, 409: ConfigurationError}


class HostClient:
    """One running host. `key` gives the master key; it is looked up only when the host asks for one.

    Every call raises `HostUnreachable` when the host does not answer.
    """

    def __init__(self, runtime: Runtime, key: Callable[[], str | None]) -> None:
        self.runtime = runtime
        self._key = key

    def serves(self, function: str) -> bool:
        """Whether the host has a function of that name, in any case."""
        return function.lower() in (name.lower() for name in self.runtime.functions)

    def ping(self) -> None:
        """Return when the host answers."""
        self._ask("GET", "/admin/host/ping")

    def functions(self) -> list[FunctionStatus]:
        """How each of its functions stands."""
        return [
            FunctionStatus(
                name=one["name"],
                trigger=one["trigger"],
                where=one["where"],
                state=one["state"],
                disabled=one["isDisabled"],
                errors=tuple(one["errors"]),
            )
            for one in self._ask("GET", "/admin/functions")
        ]

    def errors(self) -> list[str]:
        """What is wrong with its app as a whole."""
        return [str(error) for error in self._ask("GET", "/admin/host/status")["errors"]]

    def run(self, function: str, data: bytes | None, timeout: timedelta | None) -> dict[str, Any]:
        """Run a function and return its outcome document.

        Raises `TimeoutError` (the run goes on), `NotFound`, `ConfigurationError` for a function in error, and
        `BindingError` for data that it cannot be run with.
        """
        path = f"/admin/functions/{quote(function, safe='')}?wait"
        try:
            document: dict[str, Any] = self._ask("POST", path, data, timeout)
        except TimeoutError:
            seconds = timeout.total_seconds() if timeout else 0
            raise TimeoutError(
                f"{function} has not ended within {seconds:g} s; it goes on in {self._named}."
            ) from None
        return document

    def replay_run(self, run: str, data: bytes | None) -> dict[str, Any]:
        """Have a run made once more, with `data` where that is given, and return its outcome document.

        Raises `NotFound`, `BindingError` where it cannot be, and `ConfigurationError` for a function in error.
        """
        document: dict[str, Any] = self._ask("POST", f"/admin/runs/{quote(run, safe='')}/replay?wait", data)
        return document

    def cancel_run(self, run: str) -> bool:
        """Have a run ended; False: this host does not have it in hand."""
        try:
            self._ask("POST", f"/admin/runs/{quote(run, safe='')}/cancel")
        except (NotFound, ConfigurationError):
            return False
        return True

    def _ask(
        self, method: str, path: str, data: bytes | None = None, timeout: timedelta | None = None
    ) -> Any:
        status, body = self._send(method, path, data, timeout, None)
        for pause in (0.0, *KEY_PAUSES):
            if status == 401:
                time.sleep(pause)
                status, body = self._send(method, path, data, timeout, self._key())
        if status == 401:
            raise FunchostError(f"The store's master key is not taken by {self._named}.")
        if status not in (200, 202):
            raise _REFUSALS.get(status, FunchostError)(_reason(status, body))
        return msgspec.json.decode(body) if body else None

    def _send(
        self, method: str, path: str, data: bytes | None, timeout: timedelta | None, key: str | None
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/octet-stream"} if data is not None else {}
        if key:
            headers["x-functions-key"] = key
        with closing(self._connected()) as connection:
            if method == "POST":
                # A run takes as long as it takes.
                connection.sock.settimeout(timeout.total_seconds() if timeout else None)
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except TimeoutError:
                if method == "POST":
                    raise
                raise HostUnreachable(self._silent) from None
            except (OSError, HTTPException) as error:
                raise HostUnreachable(self._silent) from error

    def _connected(self) -> HTTPConnection:
        try:
            place = urlsplit(self.runtime.url)
            connection = HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_TIMEOUT)
            connection.connect()
        except (OSError, ValueError) as error:
            raise HostUnreachable(self._silent) from error
        return connection

    @property
    def _named(self) -> str:
        return f"the host at {self.runtime.url} (process {self.runtime.pid})"

    @property
    def _silent(self) -> str:
        return (
            f"No answer from {self._named}, which the store names as running. If that process hangs, end it; "
            "if it is no host, remove the .json files in the store's folder 'hosts'."
        )


def _reason(status: int, body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["error"])
    except (msgspec.DecodeError, TypeError, KeyError):
        return f"The host answered with HTTP status {status}."
