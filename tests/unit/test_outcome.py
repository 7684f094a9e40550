"""What people and tools are shown of a run."""

from __future__ import annotations

from typing import Any

import pytest

from funchost.host.execution.outcome import unsent_document
from funchost.triggers.base import Unsent


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        ("json", b'{"id":1}', {"value": {"id": 1}}),
        ("text", b'{"id":1}', {"value": '{"id":1}'}),
        ("bytes", b"plain", {"value": "plain"}),
        ("bytes", b"\xff\x00", {"valueBase64": "/wA="}),
    ],
)
def test_what_was_not_sent_is_shown_as_it_was_given(kind: str, content: bytes, shown: dict[str, Any]) -> None:
    document = unsent_document(Unsent("doc", "cosmosDB", kind, content))

    assert document == {"name": "doc", "type": "cosmosDB", **shown}
