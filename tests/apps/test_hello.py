"""The app that everybody begins with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apps.serving import Host, serve


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("hello", request.param, tmp_path_factory.mktemp("app"))


def test_the_quickstart_answers(host: Host) -> None:
    answer = host.get("/api/hello?name=Ada")

    assert (answer.status, answer.text) == (200, "Hello, Ada.")
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
