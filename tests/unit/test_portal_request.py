"""Requests as the portal describes them, for HTTP functions that are run by hand."""

from __future__ import annotations

import msgspec
import pytest

from funchost.host.admin.portal_request import PortalRequest
from funchost.triggers.base import TriggerEvent


def by_hand() -> TriggerEvent:
    data = {
        "method": "POST",
        "url": "http://localhost/api/f",
        "headers": [["host", "localhost"], ["content-type", "application/json"]],
        "query": {},
        "params": {},
    }
    return TriggerEvent(kind="http", body=b"{}", data=data)


def event_of(document: object) -> TriggerEvent:
    request = PortalRequest.read(msgspec.json.encode(document))
    assert request is not None
    return request.put_into(by_hand())


def test_a_document_becomes_the_request_that_it_describes() -> None:
    event = event_of(
        {
            "method": "put",
            "queryStringParams": [{"name": "a", "value": "1 2"}, {"name": "b"}],
            "headers": [{"name": "X-Mine", "value": "m"}, {"name": "Content-Type", "value": "text/plain"}],
            "body": "hello",
        }
    )

    assert event.data == {
        "method": "PUT",
        "url": "http://localhost/api/f?a=1+2&b=",
        "query": {"a": "1 2", "b": ""},
        "headers": [["x-mine", "m"], ["content-type", "text/plain"], ["host", "localhost"]],
        "params": {},
    }
    assert event.body == b"hello"


def test_a_body_that_is_no_text_is_sent_as_json() -> None:
    assert event_of({"method": "POST", "body": {"n": 1}}).body == b'{"n":1}'
    assert event_of({"method": "GET"}).body == b""


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"[]", b'{"body": "x"}', b'{"method": 1}', b'{"method": "GET", "headers": {}}', b"\xff"],
)
def test_content_that_describes_no_request_is_a_body_itself(content: bytes) -> None:
    assert PortalRequest.read(content) is None
