"""Apps as users write them, served by the real `funchost start`, and a client that sees every header.

An app stands in ``tests/apps/<topic>/<model>/``: `v1` with a function.json for each function, `v2` with decorators.
A test module names its topic and gets the host of each model in turn:

    from apps.serving import Host, serve

    @pytest.fixture(scope="module", params=["v1", "v2"])
    def host(request, tmp_path_factory):
        yield from serve("http", request.param, tmp_path_factory.mktemp("app"))
"""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2e.running import DEADLINE, RunningHost, funchost

_APPS = Path(__file__).parent

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, its headers in their order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as a JSON value."""
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The last value of a header; None where it is missing."""
        return next(reversed(self.all(name)), None)


class Host(RunningHost):
    """A running host with an app of this folder."""

    def __init__(self, root: Path, *arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__(root, *arguments, env=env)
        self.root = root

    def get(self, path: str, **headers: str) -> Answer:
        """A GET request."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        """A POST request."""
        return self.request("POST", path, body, headers)

    def request(self, method: str, path: str, body: bytes | str = b"", headers: Headers = ()) -> Answer:
        """One request on a connection of its own; `path` and headers go out as they are given."""
        connection = self.connect()
        try:
            content = body.encode() if isinstance(body, str) else body
            pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
            own_host = any(name.lower() == "host" for name, _ in pairs)
            connection.putrequest(method, path, skip_host=own_host)
            for name, value in pairs:
                connection.putheader(name, value)
            if content or method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content or None)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the host, for requests that are unusual."""
        url = urlsplit(self.url)
        return http.client.HTTPConnection(url.hostname or "", url.port, timeout=DEADLINE)

    def run(self, function: str, data: str | None = None) -> Any:
        """`funchost run --json` against this host: the document that it prints."""
        given = () if data is None else ("--data", data)
        done = funchost("run", function, "--root", self.root, "--json", *given)
        return json.loads(done.stdout)


def serve(
    topic: str, model: str, folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[Host]:
    """A host that serves a copy of the app in `folder`, for as long as the generator is open."""
    root = copy_app(topic, model, folder)
    with Host(root, *arguments, env=env) as host:
        yield host


def copy_app(topic: str, model: str, folder: Path) -> Path:
    """A copy of the app, which tests may change and hosts may write into; a host.json is added where it has none."""
    root = folder / f"{topic}-{model}"
    shutil.copytree(_APPS / topic / model, root, ignore=shutil.ignore_patterns("__pycache__"))
    if not (root / "host.json").exists():
        (root / "host.json").write_text('{"version": "2.0"}')
    return root
