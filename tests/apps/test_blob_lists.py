"""Blob inputs of the cardinality many: a list of all blobs of a container, on the embedded store and on S3."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve

STORED = {
    "shelf/b.txt": "bee",
    "shelf/2026/c.txt": "sea",
    "shelf/2026/d.txt": "",
    "shelf/a.txt": "é",
    "items/good-2": '{"id": 2, "name": "two"}',
    "items/good-1": '{"id": 1}',
    "items/odd-1": '{"id": 1}',
    "items/odd-2": '{"name": "two"}',
}


@pytest.fixture(scope="module", params=["v1", "v2", "v1 on S3"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    model, _, elsewhere = request.param.partition(" on ")
    options = ("--emulator", "aws") if elsewhere else ()
    for host in serve("blob_lists", model, tmp_path_factory.mktemp("app"), *options):
        for path, content in STORED.items():
            assert host.post(f"/api/put/{path}", content).text == "stored"
        assert (host.root / ".funchost/blobs/shelf").exists() is not bool(elsewhere)
        yield host


def got(host: Host, function: str) -> Any:
    """What a function returns, run by hand."""
    run = host.run(function)
    assert run["status"] == "succeeded", run
    return json.loads(run["result"])


def test_streams_tell_which_blob_they_are(host: Host) -> None:
    assert got(host, "untyped") == [
        ["InputStream", "shelf/2026/c.txt", 3, "sea"],
        ["InputStream", "shelf/2026/d.txt", 0, ""],
        ["InputStream", "shelf/a.txt", 2, "é"],
        ["InputStream", "shelf/b.txt", 3, "bee"],
    ]
    names = ["shelf/2026/c.txt", "shelf/2026/d.txt", "shelf/a.txt", "shelf/b.txt"]
    assert [name for name, _ in got(host, "typed")] == names


@pytest.mark.parametrize("function", ["texts", "contents"])
def test_texts_and_bytes_come_in_the_order_of_their_names(host: Host, function: str) -> None:
    assert got(host, function) == ["sea", "", "é", "bee"]


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        ("objects", [{"id": 1}, {"id": 2, "name": "two"}]),
        ("orders", [1, 2]),
        ("models", [[1, "none"], [2, "two"]]),
    ],
)
def test_json_is_read_as_what_the_list_holds(host: Host, function: str, wanted: Any) -> None:
    assert host.get(f"/api/{function}/good").json == wanted


def test_a_prefix_leaves_out_what_begins_otherwise(host: Host) -> None:
    assert host.get("/api/below/2026").json == ["sea", ""]
    assert host.get("/api/below/2025").json == []


def test_a_container_that_is_not_there_has_no_blobs(host: Host) -> None:
    assert got(host, "nowhere") == []
    assert host.get("/api/objects/none").json == []


def test_a_blob_that_does_not_fit_fails_the_run_and_is_named(host: Host) -> None:
    assert host.get("/api/orders/odd").status == 500
    host.wait_for(re.compile(r"Blob 2 of 2 \(items/odd-2\): Parameter 'blobs' \(blob\).*'id'"))


def test_a_prefix_that_no_name_can_have_fails_the_run(host: Host) -> None:
    assert host.get("/api/below/a%5Cb").status == 500
    host.wait_for("No blob has a name that begins with 'a\\\\b/'")


def test_an_annotation_that_does_not_go_with_the_cardinality_is_told_when_the_function_is_loaded(
    host: Host,
) -> None:
    assert "The code of notlist does not load: " in host.log
    assert (
        "Parameter 'blobs' (blob) cannot be func.InputStream: with the cardinality many it is a list of blobs. "
        "Annotate it as list[func.InputStream], list[str] or another list, or set the cardinality of the input to one."
    ) in host.log
    assert "The code of notmany does not load: " in host.log
    assert (
        "Parameter 'blob' (blob) cannot be list[func.InputStream]: with the cardinality one it is a single blob. "
        "Annotate it as func.InputStream, or set the cardinality of the input to many."
    ) in host.log


def test_outputs_of_many_and_patterns_are_told_at_the_start(host: Host) -> None:
    assert re.search(r"error: \S+ \S+\.cardinality: An output is one blob, not many\.", host.log)
    assert re.search(r"error: \S+ \S+\.path: 'shelf/\*\.txt': there are no patterns here", host.log)
