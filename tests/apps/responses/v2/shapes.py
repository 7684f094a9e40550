"""Responses of every shape, by name."""

from http import HTTPStatus

import azure.functions as func

Response = func.HttpResponse


def repeated() -> Response:
    response = Response("repeated", headers={"X-A": "1"})
    response.headers.add("X-A", "2")
    response.headers.add("x-a", "3")
    return response


def typed_twice() -> Response:
    response = Response("{}", headers={"content-type": "text/html"})
    response.headers["Content-Type"] = "application/json"
    return response


SHAPES = {
    "text": lambda: "plain",
    "empty-text": lambda: "",
    "json-text": lambda: '{"b":1, "a": [1,  2]}',
    "unicode": lambda: "grüße ☃",
    "response": lambda: Response("said"),
    "nothing": lambda: Response(),
    "bytes": lambda: Response(b"\x00\xff", mimetype="application/octet-stream"),
    "bytearray": lambda: Response(bytearray(b"ab")),
    "html": lambda: Response("<p>ü</p>", mimetype="text/html"),
    "json": lambda: Response('{"a":1}', mimetype="application/json"),
    "latin": lambda: Response("späm", charset="latin-1"),
    "utf16": lambda: Response("a;b", mimetype="text/csv", charset="utf-16-le"),
    "latin-xml": lambda: Response("<ü/>", mimetype="application/xml", charset="latin-1"),
    "own-type": lambda: Response("<a/>", headers={"CONTENT-TYPE": "application/xml"}, mimetype="text/html"),
    "typed-twice": typed_twice,
    "created": lambda: Response(status_code=201, headers={"Location": "/things/7"}),
    "redirect": lambda: Response(status_code=302, headers={"location": "https://example.org/?a=1&b=2"}),
    "enum": lambda: Response("gone", status_code=HTTPStatus.GONE),
    "text-status": lambda: Response("queued", status_code="202"),
    "teapot": lambda: Response("short", status_code=418),
    "own-status": lambda: Response("own", status_code=599),
    "server-error": lambda: Response("told on purpose", status_code=500),
    "repeated": repeated,
    "number-header": lambda: Response("n", headers={"X-Number": 5, "X-Flag": True}),
    "framing": lambda: Response("body", headers={"Transfer-Encoding": "chunked", "Connection": "upgrade", "X-A": "1"}),
    "length": lambda: Response("longer", headers={"Content-Length": "3"}),
    "date": lambda: Response("old", headers={"Date": "Thu, 12 Jan 2017 13:55:08 GMT"}),
    "no-content": lambda: Response("lost", status_code=204),
    "reset": lambda: Response("lost", status_code=205),
    "not-modified": lambda: Response("lost", status_code=304, headers={"ETag": '"1"'}),
    "large": lambda: Response(b"0123456789" * 300_000),
    "dict": lambda: {"a": [1, None]},
    "list": lambda: [1, "ü"],
    "raw-bytes": lambda: b"\x00\xff",
    "object": lambda: {"body": {"id": 7}, "status": 201, "headers": {"X-A": "1"}},
    "object-text": lambda: {"Body": "made", "statusCode": "202", "headers": {"Content-Type": "text/css"}},
    "object-cookies": lambda: {"body": "", "cookies": [{"name": "a", "value": "1/2", "httpOnly": True, "path": "/"}]},
    "data": lambda: {"status": 404, "headers": {"X-A": "1"}},
    # From here on: what cannot be a response.
    "none": lambda: None,
    "number": lambda: 5,
    "set": lambda: {"a"},
    "raises": lambda: 1 / 0,
    "exits": lambda: exit(3),
    "text-status-none": lambda: Response("x", status_code="soon"),
    "status-99": lambda: Response("x", status_code=99),
    "status-1000": lambda: Response("x", status_code=1000),
    "informational": lambda: Response("x", status_code=102),
    "split": lambda: Response("x", headers={"X-A": "1\r\nX-B: 2"}),
    "split-name": lambda: Response("x", headers={"X-A: 1\r\nX-B": "2"}),
    "snowman-header": lambda: Response("x", headers={"X-A": "☃"}),
    "klingon": lambda: Response("x", charset="klingon"),
    "unencodable": lambda: Response("☃", charset="ascii"),
    "surrogate": lambda: "\ud800",
    "dict-of-sets": lambda: {"a": {1}},
    "wrong-body": lambda: Response(5),
}
