"""A loaded function: from an `invoke` frame to its arguments, and from what it gives to a `result` frame.

All that can be decided when the function is loaded is decided then, so that an invocation only runs the few
small functions that were picked for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_origin

from . import values_azure, values_registry, values_sdk
from .context import Context, RetryContext, TraceContext
from .parameter import Maker, Parameter
from .signature import Signature
from .values_batch import in_batch, of_blobs
from .values_json import dump
from .values_output import NOTHING, Out, Result
from .values_plain import decoder, text_decoder
from .values_request import body_decoder
from .values_result import Results
from .values_table import is_one_entity, only

#: Turns kind and content of an input into an argument.
Read = Callable[[Mapping[str, Any], str, bytes], Any]

#: Runs an invocation by other means than a call of the function: that, the trigger value, and the inputs.
Through = Callable[[Any, Any, Sequence[bytes]], Awaitable[Result]]


class LoadedFunction:
    """One function, checked and ready to be called."""

    def __init__(
        self,
        function: Mapping[str, Any],
        call: Callable[..., Any],
        signature: Signature,
        through: Through | None = None,
    ) -> None:
        values_azure.stand_in(Out, Context, TraceContext, RetryContext)
        self.name: str = function["name"]
        self.directory: str = function["directory"]
        #: The user's own callable: takes `arguments` by keyword.
        self.call = call
        #: The web framework that the function is called through; it makes the trigger value itself.
        self.through = through
        #: It must be called on the loop; what comes back may be a coroutine or an async generator.
        self.asynchronous = signature.asynchronous or through is not None
        #: The trigger value may be handed over while it arrives; otherwise it must be collected first.
        self.needs_stream = signature.needs_stream or through is not None
        #: The name of the parameter that gets the `Context`; None when there is none.
        self.context_parameter = signature.context
        #: It looks at nothing of an event but its content.
        self.content_only = (
            signature.context is None
            and signature.trigger.type != "timerTrigger"
            and not signature.trigger.many
            and all(one.maker is Maker.PLAIN for one in (signature.trigger, *signature.inputs))
        )
        self._trigger = signature.trigger.name
        self._read_trigger = _leave_out if through else _trigger_reader(signature.trigger)
        self._inputs = [(parameter.name, _input_reader(parameter)) for parameter in signature.inputs]
        self._outs = [parameter.name for parameter in signature.outputs]
        self._results = Results(function, signature)

    def arguments(
        self, header: Mapping[str, Any], content: Any, inputs: Sequence[bytes] = ()
    ) -> dict[str, Any]:
        """All arguments for one call, by parameter, made in the function's thread. Raises `BindError`, and
        `RequestError` where a client is to blame.

        `header` is that of the `invoke` frame, `inputs` are the values of its ``inputs``. `content` is the
        trigger value: bytes, or with `needs_stream` a binary file (an async iterable where `asynchronous`).
        """
        arguments = {self._trigger: self._read_trigger(header, content)}
        if self._inputs:
            self._add_inputs(arguments, header, inputs)
        for name in self._outs:
            arguments[name] = Out()
        if self.context_parameter:
            arguments[self.context_parameter] = Context(header, self.name, self.directory)
        return arguments

    def results(self, arguments: Mapping[str, Any], returned: Any, *, replies: bool = False) -> Result:
        """What the call gave, encoded; with `replies` also what is returned without a binding for it.

        Raises `BindError` for a value that its binding does not take.
        """
        if returned is None and not self._outs:
            return NOTHING
        return self._results.encode(arguments, returned, replies=replies)

    def _add_inputs(
        self, arguments: dict[str, Any], header: Mapping[str, Any], contents: Sequence[bytes]
    ) -> None:
        entries = zip(header.get("inputs") or (), contents, strict=True)
        given = {entry["name"]: (entry["kind"], content) for entry, content in entries}
        for name, read in self._inputs:
            kind, content = given.get(name, ("none", b""))
            arguments[name] = None if kind == "none" else read(header, kind, content)


def _leave_out(header: Mapping[str, Any], content: Any) -> None:
    """No value: somebody else brings it."""


def _trigger_reader(parameter: Parameter) -> values_azure.Build:
    return in_batch(_event_reader(parameter)) if parameter.many else _event_reader(parameter)


def _event_reader(parameter: Parameter) -> values_azure.Build:
    if parameter.maker is not Maker.PLAIN:
        return _builder(parameter)
    annotation = parameter.annotation
    if annotation is None:
        annotation = bytes if _is_binary(parameter) or parameter.type == "fileTrigger" else str
    make = body_decoder if parameter.type == "httpTrigger" else decoder
    decode = make(annotation, parameter.where, optional=parameter.optional)
    assert decode is not None, "the signature was checked"
    if parameter.type == "timerTrigger":
        return lambda header, content: decode(dump(header["data"], parameter.where))
    return lambda header, content: decode(content)


def _input_reader(parameter: Parameter) -> Read:
    read = _value_reader(parameter)
    if not parameter.many:
        return read
    build = of_blobs(lambda header, content: read(header, "bytes", content))
    return lambda header, kind, content: build(header, content)


def _value_reader(parameter: Parameter) -> Read:
    if parameter.maker is not Maker.PLAIN:
        build = _builder(parameter)
        return lambda header, kind, content: build(header, content)
    if parameter.annotation is None:
        decode_text = text_decoder(parameter.where)
        return lambda header, kind, content: content if kind == "bytes" else decode_text(content)
    decode = decoder(parameter.annotation, parameter.where, optional=parameter.optional)
    assert decode is not None, "the signature was checked"
    if parameter.type == "table" and is_one_entity(parameter.annotation):
        decode = only(decode, parameter.where)
    return lambda header, kind, content: decode(content)


def _builder(parameter: Parameter) -> values_azure.Build:
    """What makes a value that is more than its content."""
    if parameter.maker is Maker.AZURE:
        # Of one blob Azure tells no more than the content; several tell their names, as one that is an event does.
        several = parameter.type == "blob" and parameter.many
        return values_azure.builder("blobTrigger" if several else parameter.type, parameter.where)
    if parameter.maker is Maker.SDK:
        return values_sdk.builder(parameter.type, parameter.annotation, parameter.where)
    return values_registry.builder(
        parameter.type, parameter.where, binary=_is_binary(parameter), many=_is_list(parameter)
    )


def _is_list(parameter: Parameter) -> bool:
    return parameter.binding.get("cardinality") == "many" or get_origin(parameter.annotation) is list


def _is_binary(parameter: Parameter) -> bool:
    return parameter.binding.get("dataType") in ("binary", "stream")
