"""Forms and files, which werkzeug reads in the worker when a function asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xyz"
NOTHING: dict[str, Any] = {"form": {}, "files": []}


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("forms", request.param, tmp_path_factory.mktemp("app"))


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers, ""]
    return b"--xyz\r\n" + "\r\n".join(lines).encode() + b"\r\n" + content + b"\r\n"


def upload(host: Host, body: bytes, content_type: str = MULTIPART) -> Any:
    answer = host.post("/api/upload", body, **{"Content-Type": content_type})
    assert answer.status == 200
    return answer.json


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"a=1&b=2", {"a": ["1"], "b": ["2"]}),
        (b"a=1&a=2&empty=", {"a": ["1", "2"], "empty": [""]}),
        (b"q=a+b%26c&gr%C3%BC%C3%9Fe=%C3%A9", {"q": ["a b&c"], "grüße": ["é"]}),
        ("name=Zoë".encode(), {"name": ["Zoë"]}),
        (b"", {}),
    ],
)
def test_a_form_of_a_page(host: Host, body: bytes, form: dict[str, list[str]]) -> None:
    assert upload(host, body, URLENCODED) == {"form": form, "files": []}
    assert upload(host, body, f"{URLENCODED}; charset=UTF-8")["form"] == form


def test_fields_and_files_of_one_upload(host: Host) -> None:
    body = (
        part('name="title"', "Grüße".encode())
        + part('name="doc"; filename="a.txt"', b"text", "Content-Type: text/plain")
        + part('name="doc"; filename="größe.bin"', bytes(range(256)), "Content-Type: application/x-thing")
        + part('name="other"; filename="none.bin"', b"")
        + b"--xyz--\r\n"
    )
    assert upload(host, body) == {
        "form": {"title": ["Grüße"]},
        "files": [
            ["doc", "a.txt", "text/plain", b"text".hex()],
            ["doc", "größe.bin", "application/x-thing", bytes(range(256)).hex()],
            ["other", "none.bin", "", ""],
        ],
    }


def test_a_file_name_may_be_encoded_as_rfc_5987_has_it(host: Host) -> None:
    body = part("name=\"f\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt", b"x") + b"--xyz--\r\n"
    assert upload(host, body)["files"] == [["f", "größe.txt", "", "78"]]


def test_a_file_of_two_megabytes_arrives(host: Host) -> None:
    content = bytes(range(256)) * 8_000
    body = part('name="f"; filename="big"', content) + b"--xyz--\r\n"
    [(name, _, _, received)] = upload(host, body)["files"]
    assert (name, bytes.fromhex(received)) == ("f", content)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"this is no multipart", MULTIPART),
        (b"--xyz\r\nContent-Dispo", MULTIPART),
        (b"--xyz\r\n\r\nno disposition\r\n--xyz--\r\n", MULTIPART),
        (part('name="a"', b"1") + b"--xyz--\r\n", "multipart/form-data"),
        (part('name="a"', b"1") + b"--xyz--\r\n", "multipart/form-data; boundary=other"),
        (b"", MULTIPART),
        (b"a=1", "text/plain"),
        (b'{"a": 1}', "application/json"),
    ],
)
def test_what_is_no_form_gives_an_empty_one(host: Host, body: bytes, content_type: str) -> None:
    assert upload(host, body, content_type) == NOTHING


def test_a_form_without_a_content_type_is_not_read(host: Host) -> None:
    assert host.post("/api/Upload", b"a=1").json == NOTHING
