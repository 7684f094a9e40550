"""Routes of every form at an empty prefix, and the headers that host.json adds: functions-semantics.md 8.2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apps.serving import Host, serve


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("routes", request.param, tmp_path_factory.mktemp("app"))


GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("path", "function", "params"),
    [
        ("/shop/7", "item", {"id": "7"}),
        ("/shop/-7", "item", {"id": "-7"}),
        ("/SHOP/007/", "item", {"id": "007"}),
        ("/shop/pens", "named", {"name": "pens"}),
        ("/shop/special", "Literal", {}),
        ("/Shop/Special/", "Literal", {}),
        ("/opt", "optional", {}),
        ("/opt/", "optional", {}),
        ("/opt/x", "optional", {"a": "x"}),
        ("/def", "default", {"a": "one"}),
        ("/def/two", "default", {"a": "two"}),
        ("/a/1-2.txt", "two", {"x": "1", "y": "2", "ext": "txt"}),
        ("/files", "every", {}),
        ("/files/", "every", {}),
        ("/files/a/b%20c.txt", "every", {"path": "a/b c.txt"}),
        (f"/by/{GUID}", "guid", {"id": GUID}),
        (f"/by/{GUID.upper()}", "guid", {"id": GUID.upper()}),
        ("/deep/ER/1/and", "root_like", {"x": "1"}),
        ("/deep/er/1/and/2", "root_like", {"x": "1", "y": "2"}),
    ],
)
def test_a_path_finds_its_function_and_parameters(
    host: Host, path: str, function: str, params: dict[str, str]
) -> None:
    answer = host.get(path)
    assert (answer.status, answer.header("X-Function")) == (200, function)
    assert answer.json == params


@pytest.mark.parametrize(
    "path",
    [
        "/shop/p",
        "/shop/longername",
        "/shop/a1",
        "/shop",
        "/opt/x/y",
        "/by/7",
        "/a/12.txt",
        "/api/shop/7",
        "/no",
    ],
)
def test_a_constraint_that_fails_is_no_match(host: Host, path: str) -> None:
    answer = host.get(path)
    assert (answer.status, answer.body) == (404, b"")


def test_custom_headers_stand_on_every_response_and_give_way_to_the_functions(host: Host) -> None:
    for path in ("/shop/7", "/no"):
        assert host.get(path).all("X-Served-By") == ["us"]
    assert host.get("/shop/7").all("X-Own") == ["own"]
