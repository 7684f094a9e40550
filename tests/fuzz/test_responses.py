"""Results of functions that are no responses: each is sent, or refused in words; nothing else can come of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fuzz.fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from funchost.triggers.base import ErrorInfo, Outcome, Status
from funchost.triggers.http_response import ResponseError, is_header_value, render

_NOW = datetime(2025, 1, 1, tzinfo=UTC)

_texts = st.one_of(
    st.sampled_from(
        ("status", "statusCode", "headers", "cookies", "body", "name", "value", "path", "maxAge", "sameSite", "Content-Type",
         "Content-Length", "200", "9" * 5000, "\u0662\u0660\u0660", "a\r\nb", "\x00", "\ud800", "", " ", "Lax", "NaN", "{")
    ),
    st.text(max_size=10),
)  # fmt: skip
_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), _texts, st.sampled_from((10**400, 200, 999))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=5)),
    max_leaves=10,
)
_headers = st.one_of(
    st.fixed_dictionaries({"status": st.one_of(_texts, st.sampled_from((10**5000, 200.0)))}),
    st.fixed_dictionaries({}, optional={"status": _values, "headers": _values, "cookies": _values}),
    st.fixed_dictionaries({"headers": st.lists(st.lists(_texts, min_size=2, max_size=2), max_size=3)}),
    st.fixed_dictionaries({"cookies": st.lists(st.dictionaries(_texts, _values, max_size=4), max_size=3)}),
)
_bodies = st.one_of(
    st.binary(max_size=20), _values.map(lambda value: json.dumps(value).encode()), st.just(b'{"body":' * 3000)
)


@given(
    st.sampled_from(("none", "text", "bytes", "json", "http", "weird", "")),
    _headers,
    _bodies,
    st.one_of(st.none(), st.builds(ErrorInfo, st.sampled_from(("RequestError", "ValueError")), _texts)),
    st.sampled_from(Status),
    st.booleans(),
)
@examples(150)
def test_every_result_is_a_response_that_is_safe_or_an_error_in_words(
    kind: str, header: dict[str, Any], body: bytes, error: ErrorInfo | None, status: Status, must: bool
) -> None:
    outcome = Outcome(
        status=status, function="f", invocation_id="1", started=_NOW, ended=_NOW, error=error, kind=kind, header=header,
        body=body,
    )  # fmt: skip
    try:
        reply = render(outcome, must_return=must)
    except ResponseError as refusal:
        assert str(refusal)
        return
    assert 200 <= reply.status <= 999
    for name, value in reply.headers:
        assert name.isascii()
        assert is_header_value(name + value)
    assert isinstance(reply.body, bytes)
