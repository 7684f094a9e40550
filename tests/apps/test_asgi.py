"""FastAPI on Functions, as the web app sees it: `AsgiFunctionApp`, and the middleware called by hand."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from apps.serving import Host, copy_app, serve


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("asgi", request.param, tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module", params=["v1", "v2"])
def at_root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    root = copy_app("asgi", request.param, tmp_path_factory.mktemp("app"))
    (root / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    with Host(root) as host:
        yield host


def test_the_app_sees_the_whole_path_with_the_prefix(host: Host) -> None:
    answer = host.get("/api/hello?name=Ada")

    assert (answer.status, answer.json) == (200, {"hello": "Ada"})
    assert answer.header("Content-Type") == "application/json"
    host.wait_for("greeting Ada")


def test_a_plain_endpoint_runs_beside_the_main_thread(host: Host) -> None:
    assert host.get("/api/thread").json == {"main": False}


def test_path_parameters_are_those_of_the_framework(host: Host) -> None:
    assert host.get("/api/items/7").json == {"item": 7}
    assert host.get("/api/items/seven").status == 422


def test_a_repeated_query_key_reaches_the_framework(host: Host) -> None:
    assert host.get("/api/tags?tag=a&tag=b%26c").json == ["a", "b&c"]


def test_the_path_is_decoded(host: Host) -> None:
    assert host.get("/api/files/a%20b/gr%C3%BC%C3%9Fe.txt").json == {"path": "a b/grüße.txt"}


def test_json_is_validated_by_the_framework(host: Host) -> None:
    created = host.post("/api/orders", '{"name": "tea"}', **{"Content-Type": "application/json"})
    refused = host.post("/api/orders", '{"count": 1}', **{"Content-Type": "application/json"})

    assert (created.status, created.json) == (201, {"name": "tea", "count": 1})
    assert refused.status == 422
    assert refused.json["detail"][0]["loc"] == ["body", "name"]


def test_an_upload_and_its_fields_arrive(host: Host) -> None:
    parts = [
        b'--xyz\r\nContent-Disposition: form-data; name="note"\r\n\r\n' + "grüße".encode(),
        b'\r\n--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
        + bytes(300_000),
        b"\r\n--xyz--\r\n",
    ]

    answer = host.post(
        "/api/uploads", b"".join(parts), **{"Content-Type": "multipart/form-data; boundary=xyz"}
    )

    assert answer.json == {"note": "grüße", "name": "a.bin", "size": 300_000}
    assert host.post("/api/uploads", b"no form").status == 422


def test_a_form_arrives(host: Host) -> None:
    form = urlencode([("name", "Ada & Co"), ("tag", "a"), ("tag", "b")])

    answer = host.post("/api/form", form, **{"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.json == {"name": ["Ada & Co"], "tag": ["a", "b"]}


def test_a_large_binary_body_goes_there_and_back(host: Host) -> None:
    content = bytes(range(256)) * 2048

    answer = host.request("POST", "/api/echo", content, {"Content-Type": "image/png"})

    assert answer.body == content
    assert answer.header("Content-Type") == "image/png"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_goes_through(host: Host, method: str) -> None:
    assert host.request(method, "/api/put").text == method


def test_cookies_come_and_several_are_set(host: Host) -> None:
    answer = host.get("/api/cookies", Cookie="session=abc; other=1")

    assert answer.text == "abc"
    sent = [set(cookie.lower().split("; ")) - {"domain="} for cookie in answer.all("Set-Cookie")]
    assert sent == [
        {"a=1", "httponly", "path=/", "samesite=strict"},
        {"b=2", "max-age=60", "path=/", "samesite=lax"},
    ]


def test_redirects_and_empty_responses_go_through(host: Host) -> None:
    moved, nothing = host.get("/api/moved"), host.get("/api/nothing")

    assert (moved.status, moved.header("Location")) == (307, "/api/hello?name=moved")
    assert (nothing.status, nothing.body) == (204, b"")


def test_a_404_and_a_405_of_the_framework_are_the_answer(host: Host) -> None:
    missing, wrong = host.get("/api/missing"), host.request("PUT", "/api/hello")

    assert (missing.status, missing.json) == (404, {"detail": "Not Found"})
    assert (wrong.status, wrong.json) == (405, {"detail": "Method Not Allowed"})


def test_an_http_exception_is_the_answer(host: Host) -> None:
    answer = host.get("/api/refused")

    assert (answer.status, answer.json) == (418, {"detail": "a teapot"})


def test_an_error_of_the_app_is_a_bare_500_and_told_in_the_log(host: Host) -> None:
    answer = host.get("/api/broken")

    assert (answer.status, answer.body) == (500, b"")
    host.wait_for("ValueError: the handler broke")


def test_a_response_that_passed_a_middleware_is_complete(host: Host) -> None:
    answer = host.get("/api/inner/page")

    assert answer.json == {"page": "behind a middleware"}
    assert answer.header("X-Stamp") == "inner"


def test_the_scope_is_that_of_the_package(host: Host) -> None:
    url = urlsplit(host.url)
    told = host.get("/api/scope?a=1&b=%20").json

    assert told == {
        "path": "/api/scope",
        "root_path": "",
        "scheme": "http",
        "client": None,
        "server": [url.hostname, url.port],
        "method": "GET",
        "query": "a=1&b=%20",
        "context": {
            "function_directory": True,
            "function_name": True,
            "invocation_id": True,
            "thread_local_storage": True,
            "trace_context": True,
            "retry_context": True,
        },
    }


def test_without_a_prefix_the_home_page_is_the_apps(at_root: Host) -> None:
    assert at_root.get("/").json == {"page": "index of the app"}
    assert at_root.get("/api/hello").json == {"hello": "you"}
    assert at_root.get("/docs").status == 200
    assert at_root.get("/nowhere").json == {"detail": "Not Found"}


@pytest.mark.parametrize("model", ["v1"])
def test_the_main_of_a_middleware_runs_on_a_loop_of_its_own(
    model: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for host in serve("asgi", model, tmp_path_factory.mktemp("app")):
        assert host.get("/api/classic/tea").json == {"classic": "tea", "main": False}
