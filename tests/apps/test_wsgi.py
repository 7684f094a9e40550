"""Flask on Functions: `WsgiFunctionApp`, and the middleware in function.json apps."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from apps.serving import Host, copy_app, serve


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("wsgi", request.param, tmp_path_factory.mktemp("app"))


@pytest.fixture(params=["v1", "v2"])
def at_root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    root = copy_app("wsgi", request.param, tmp_path_factory.mktemp("app"))
    (root / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    with Host(root) as host:
        yield host


def test_the_app_sees_the_whole_path_with_the_prefix(host: Host) -> None:
    answer = host.get("/api/hello?name=Ada")

    assert (answer.status, answer.json) == (200, {"hello": "Ada"})
    assert answer.header("Content-Type") == "application/json"
    host.wait_for("greeting Ada")


def test_path_and_query_reach_the_framework(host: Host) -> None:
    assert host.get("/api/items/7?tag=a&tag=b%26c").json == {"item": 7, "tags": ["a", "b&c"]}
    assert host.get("/api/items/seven").status == 404


def test_the_environ_is_that_of_the_package(host: Host) -> None:
    assert host.get("/api/environ?a=%20", **{"X-Own": "yes"}).json == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/api/environ",
        "QUERY_STRING": "a=%20",
        "wsgi.url_scheme": "http",
        "HTTP_X_OWN": "yes",
    }


def test_json_arrives_and_is_the_answer(host: Host) -> None:
    answer = host.post("/api/orders", '{"name": "tea"}', **{"Content-Type": "application/json"})

    assert (answer.status, answer.json) == (201, {"name": "tea"})


def test_a_form_arrives(host: Host) -> None:
    form = urlencode([("name", "Ada & Co"), ("tag", "a"), ("tag", "b")])

    answer = host.post("/api/form", form, **{"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.json == {"name": ["Ada & Co"], "tag": ["a", "b"]}


def test_a_file_is_uploaded(host: Host) -> None:
    content = bytes(range(256)) * 1024
    body = (
        b'--cut\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a b.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--cut--\r\n"
    )

    answer = host.request("POST", "/api/upload", body, {"Content-Type": "multipart/form-data; boundary=cut"})

    assert answer.json == {"name": "a b.png", "type": "image/png", "size": len(content), "note": "hello"}


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
    first, second = [set(cookie.lower().split("; ")) for cookie in answer.all("Set-Cookie")]
    assert first == {"a=1", "domain=", "httponly", "path=/"}
    assert second >= {"b=2", "max-age=60", "path=/"}


def test_a_redirect_goes_through(host: Host) -> None:
    answer = host.get("/api/moved")

    assert (answer.status, answer.header("Location")) == (302, "/api/hello?name=moved")


def test_a_response_in_pieces_is_one(host: Host) -> None:
    assert host.get("/api/chunks").text == "line 0\nline 1\nline 2\n"


def test_a_404_of_the_framework_is_the_answer(host: Host) -> None:
    answer = host.get("/api/missing")

    assert answer.status == 404
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert "Not Found" in answer.text


def test_a_refusal_of_the_app_is_the_answer(host: Host) -> None:
    assert host.get("/api/refused").status == 403


def test_a_status_of_500_and_up_is_a_bare_500(host: Host) -> None:
    unavailable = host.get("/api/unavailable")

    assert (unavailable.status, unavailable.body) == (500, b"")
    host.wait_for("not now")


def test_an_error_of_the_app_is_a_bare_500_and_told_in_the_log(host: Host) -> None:
    answer = host.get("/api/broken")

    assert (answer.status, answer.body) == (500, b"")
    host.wait_for("ValueError: the view broke")


def test_a_complaint_on_wsgi_errors_is_a_bare_500(at_root: Host) -> None:
    # A host of its own: from then on the package's middleware refuses all requests, as it does in Azure.
    answer = at_root.get("/api/complains")

    assert (answer.status, answer.body) == (500, b"")


def test_without_a_prefix_the_home_page_is_the_apps(at_root: Host) -> None:
    assert at_root.get("/").text == "index of the app"
    assert at_root.get("/api/hello").json == {"hello": "you"}


@pytest.mark.parametrize("host", ["v1"], indirect=True)
def test_the_main_of_a_middleware_is_an_entry_point(host: Host) -> None:
    assert host.get("/api/classic/tea").json == {"classic": "tea"}
