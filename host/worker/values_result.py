"""Where the values of one function go: to its outputs, to the HTTP caller, or to whoever runs it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .converters import has_implicit_output
from .errors import BindError
from .signature import Signature
from .values_batch import report
from .values_http import media_type, respond
from .values_output import NOTHING, Encode, Result, check_awaited, to_any, to_blob
from .values_queue import answer, to_queue
from .values_registry import encoder

_RETURN = "$return"

#: The outputs that are served here, but for HTTP responses.
_ENCODERS: Final[Mapping[str, Encode]] = {"queue": to_queue, "blob": to_blob, "table": to_any}


class Results:
    """Encodes what the calls of one function give."""

    def __init__(self, function: Mapping[str, Any], signature: Signature) -> None:
        trigger = function["trigger"]["type"]
        types = {item["name"]: item["type"] for item in function["bindings"] if item["direction"] == "out"}
        self._outs = outs = [parameter.name for parameter in signature.outputs]
        self._names = types.keys()
        self._where = {name: f"Output {name!r} ({kind})" for name, kind in types.items()}
        self._encoders = {
            name: _ENCODERS.get(kind) or encoder(kind) for name, kind in types.items() if kind != "http"
        }
        #: The output that is the HTTP response.
        self._response = next((name for name, kind in types.items() if kind == "http"), None)
        self._answers = trigger == "httpTrigger" or self._response is not None
        #: What is returned may say which messages of a batch failed.
        self._reports = signature.trigger.many and _RETURN not in types
        #: The type of a binding that lets the function return a value without a binding for it.
        self._implicit = next(filter(has_implicit_output, (trigger, *_types(function))), None)
        self._may_return = self._implicit is not None or (trigger == "httpTrigger" and signature.is_plain)
        self._media_type = media_type(signature.returns)
        #: Beside a request of azure.functions bytes are refused, as an annotation that promises them is.
        self._takes_bytes = signature.is_plain
        #: The returned value is the response, and there is nothing else to see to.
        self._only_answers = (
            self._answers
            and not outs
            and not self._encoders
            and (types.keys() == {_RETURN} or (not types and self._may_return))
        )

    def encode(self, arguments: Mapping[str, Any], returned: Any, *, replies: bool = False) -> Result:
        """The result of one call. Raises `BindError` for a value that its binding does not take.

        With `replies` somebody waits for what is returned, whether there is a binding for it or not.
        """
        if self._only_answers:
            return self._respond(returned)
        values = self._values(arguments, returned)
        outputs = [
            (name, *encode(values[name], self._where[name]))
            for name, encode in self._encoders.items()
            if name in values
        ]
        result = self._result(values, outputs, returned, replies=replies)
        return result._replace(outputs=outputs) if outputs else result

    def _values(self, arguments: Mapping[str, Any], returned: Any) -> dict[str, Any]:
        """All values given, by output. Without a `$return`, keys of a returned dict name outputs."""
        values = {name: arguments[name].get() for name in self._outs}
        if _RETURN in self._names:
            values[_RETURN] = returned
        elif isinstance(returned, Mapping):
            values.update((name, returned[name]) for name in self._names if name in returned)
        return {name: value for name, value in values.items() if value is not None}

    def _result(
        self, values: dict[str, Any], outputs: list[tuple[str, str, bytes]], returned: Any, *, replies: bool
    ) -> Result:
        """What whoever waits for the call is told."""
        if self._response in values:
            return self._respond(values[self._response])
        if returned is None:
            return NOTHING
        if self._reports:
            return report(returned)
        if _RETURN in self._names:
            # What goes to a queue or blob is the caller's answer as well, as the .NET host has it.
            _, kind, body = next(output for output in outputs if output[0] == _RETURN)
            return Result(*answer(kind, body)) if self._answers or replies else NOTHING
        if isinstance(returned, Mapping) and not self._answers and not self._names.isdisjoint(returned):
            return NOTHING
        if replies and not self._answers:
            return Result(*_reply(returned))
        if not self._may_return:
            check_awaited(returned, "The result")
            raise BindError(
                f"The function returned a value of type {type(returned).__name__}, but it has no output "
                f"'$return' for it. Add one{' of type http' if self._answers else ''}, or return nothing."
            )
        if self._answers:
            return self._respond(returned)
        kind, body = encoder(self._implicit or "")(returned, "The result")
        return Result(kind, None, body)

    def _respond(self, value: Any) -> Result:
        where = self._where.get(self._response or "", "The HTTP response")
        if not self._takes_bytes and isinstance(value, (bytes, bytearray, memoryview)):
            raise BindError(
                f"{where} does not take bytes, which say nothing of what they are. Return "
                "func.HttpResponse(body, mimetype=…)."
            )
        return respond(value, where, self._media_type)


def _reply(returned: Any) -> tuple[str, None, bytes]:
    kind, body = to_any(returned, "The reply")
    return kind, None, body


def _types(function: Mapping[str, Any]) -> Iterator[str]:
    return (binding["type"] for binding in function["bindings"])
