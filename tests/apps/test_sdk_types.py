"""Clients of the storage SDK as inputs, against a Blob endpoint that a test can be (python-model, section 7)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from apps.serving import Host, serve

BLOBS = {"/ada/photos/a.txt": b"content of a", "/ada/photos/sub/b.txt": b"content of b"}


class Blobs(BaseHTTPRequestHandler):
    """Gives blobs as Azure does, to whoever asks."""

    def do_GET(self) -> None:
        content = BLOBS.get(self.path.partition("?")[0])
        if content is None:
            self.send_response(404)
            self.send_header("x-ms-error-code", "BlobNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Range", f"bytes 0-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", "text/plain")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
        self.send_header("x-ms-blob-type", "BlockBlob")
        self.send_header("x-ms-version", "2024-11-04")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is not for it."""


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """A connection to a Blob endpoint."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blobs) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"AccountName=ada;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{server.server_port}/ada"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(
    request: pytest.FixtureRequest, account: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    yield from serve("sdk_types", request.param, tmp_path_factory.mktemp("app"), env={"Photos": account})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("blob/a.txt", "ada photos a.txt b'content of a'"),
        ("container/b.txt", "ada photos b'content of a'"),
        ("download/a.txt", "12 b'content of a'"),
        ("chunks/a.txt", "[b'content of a']"),
    ],
)
def test_a_client_reads_from_where_its_connection_leads(host: Host, path: str, text: str) -> None:
    for _ in range(2):
        answer = host.get(f"/api/{path}")
        assert (answer.status, answer.text) == (200, text), host.log


def test_a_blob_that_is_not_there_is_the_clients_matter(host: Host) -> None:
    assert host.get("/api/download/missing.txt").status == 500
    host.wait_for("Parameter 'file' (blob) cannot be made")


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (
            "embedded",
            "a Blob endpoint of Azure, and its connection leads to none. Annotate it as func.InputStream",
        ),
        (
            "stream_elsewhere",
            "to another storage than the embedded store. This version supports that only for clients",
        ),
        ("optional", "cannot be part of Optional, Union or |"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(host: Host, function: str, why: str) -> None:
    assert host.get(f"/api/{function}/a.txt").status == 500
    assert why in host.get(f"/admin/functions/{function}/status").json["errors"][0]
