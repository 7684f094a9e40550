"""What the fuzz tests share: how much is tried, from which seed, and what must hold whatever comes.

`FUZZ_ROUNDS=50 FUZZ_SEED=7 pytest tests/fuzz` tries fifty times as much as the usual run, and something else.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar
from urllib.parse import urlsplit

from e2e.running import DEADLINE, RunningHost
from hypothesis import HealthCheck, settings

T = TypeVar("T")

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))
SEED = os.environ.get("FUZZ_SEED", "1")

#: What belongs to the host and its machine alone.
INTERNALS = re.compile(rb"Traceback \(most recent|site-packages|/funchost/|\.py\", line|<\w+ object at 0x")


def chance(name: str) -> Random:
    """The chance of one test: the same in every run with the same seed."""
    return Random(f"{SEED} {name}")


def examples(count: int) -> settings:
    """For tests of hypothesis: so many examples in the usual run, which finds the same each time."""
    return settings(
        max_examples=count * ROUNDS,
        derandomize=SEED == "1",
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def some(luck: Random, values: Sequence[T], most: int) -> list[T]:
    """Up to so many of the values, any of them several times."""
    return [luck.choice(values) for _ in range(luck.randrange(most + 1))]


# -- HTTP on the wire


@dataclass(frozen=True, slots=True)
class Response:
    """One response as it came."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The value of a header; None where it is missing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def connect(host: RunningHost, patience: float = DEADLINE) -> socket.socket:
    """A bare connection to the host."""
    url = urlsplit(host.url)
    return socket.create_connection((url.hostname, url.port), timeout=patience)


def exchange(host: RunningHost, sent: bytes) -> bytes:
    """All that comes back on a connection of its own."""
    with connect(host) as stream:
        with contextlib.suppress(OSError):  # refused before it was read to its end
            stream.sendall(sent)
        return received(stream)


def received(stream: socket.socket) -> bytes:
    """All that comes until the host ends the connection. Raises `TimeoutError` where it keeps it."""
    pieces = []
    try:
        while piece := stream.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


_HEAD = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [A-Za-z' -]*\r\n((?:[!-9;-~]+:[ \t]*[ -~\t]*\r\n)*)\r\n")


def responses(answer: bytes, method: str = "GET") -> Iterator[Response]:
    """The responses in an answer. Fails where it is anything else than whole responses."""
    rest = answer
    while rest:
        head = _HEAD.match(rest)
        assert head, f"no response: {rest[:300]!r}"
        headers = [tuple(line.split(b":", 1)) for line in head[2].split(b"\r\n") if line]
        named = [(name, value.strip()) for name, value in headers]
        status, rest = int(head[1]), rest[head.end() :]
        lengths = [value for name, value in named if name.lower() == b"content-length"]
        assert len(lengths) <= 1, f"two lengths: {head[0]!r}"
        if 100 <= status < 200 or status in (204, 304) or method == "HEAD":
            size = 0
        else:
            size = int(lengths[0]) if lengths else len(rest)
        assert len(rest) >= size, f"a torn response: {head[0]!r}"
        yield Response(status, named, rest[:size])
        rest = rest[size:]


def check_answer(answer: bytes, root: Path, method: str = "GET", allowed: Sequence[int] = ()) -> list[int]:
    """Fail for an answer that no caller may get; returns the statuses."""
    assert not INTERNALS.search(answer), answer[:1000]
    assert str(root).encode() not in answer, answer[:1000]
    statuses = [response.status for response in responses(answer, method)]
    for status in statuses:
        assert status < 500 or status in allowed, answer[:1000]
    return statuses


def check_health(host: RunningHost) -> None:
    """Fail unless the host is as well as before."""
    answer = exchange(host, b"GET /admin/host/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert [one.status for one in responses(answer)] == [200]
    for trouble in ("Traceback", "could not be answered", "never retrieved", "Unhandled", "Exception in"):
        assert trouble not in host.log, host.log[-4000:]


def memory(pid: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def files_of(root: Path) -> set[str]:
    """Every file and folder below a folder, but those of a store and of Python's own."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not {".funchost", "__pycache__"} & set(path.relative_to(root).parts)
    }
