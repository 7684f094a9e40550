"""A function's parameters held against its bindings: each refusal says what to do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from . import http_extension
from .converters import shown
from .errors import LoadError, describe
from .names import RETURN, check_names, parameters_of
from .parameter import Binding, Maker, Parameter, check_union, is_context, is_out, parameter_of
from .values_output import takes, wanted_types
from .values_plain import is_chunks, is_file

_CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives, checked."""

    trigger: Parameter
    inputs: tuple[Parameter, ...]
    #: The parameters that get an `Out`.
    outputs: tuple[Parameter, ...]
    #: The name of the parameter that gets the invocation context.
    context: str | None
    #: The annotation of the returned value; None when there is none.
    returns: Any
    asynchronous: bool

    @property
    def is_plain(self) -> bool:
        """Whether it gets a plain value where functions written for Azure get a `func.HttpRequest` or the like:
        then it may return what Azure refuses."""
        return self.trigger.maker is Maker.PLAIN

    @property
    def needs_stream(self) -> bool:
        """Whether the trigger value may be handed over while it still arrives."""
        return is_file(self.trigger.annotation) or is_chunks(self.trigger.annotation)


def examine(function: Mapping[str, Any], call: Callable[..., Any]) -> Signature:
    """Check `call` against the bindings of `function` (as in a `load` frame). Raises `LoadError`."""
    bindings = {binding["name"]: binding for binding in (function["trigger"], *function["bindings"])}
    names = parameters_of(call)
    hints = _annotations(call)
    if http_extension.serves(function):
        hints = http_extension.check(call, function["trigger"]["name"], hints)
    context = _CONTEXT if _CONTEXT in names and _CONTEXT not in bindings else None
    returns = hints.get("return")
    _check_directions(bindings)
    check_names(function, names, context, returns)
    if context:
        _check_context(hints.get(context))
    found = {name: parameter_of(bindings[name], hints.get(name)) for name in names if name != context}
    others = [parameter for name, parameter in found.items() if name != function["trigger"]["name"]]
    signature = Signature(
        trigger=found[function["trigger"]["name"]],
        inputs=tuple(parameter for parameter in others if not is_out(parameter.binding)),
        outputs=tuple(parameter for parameter in others if is_out(parameter.binding)),
        context=context,
        returns=returns,
        asynchronous=inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call),
    )
    _check_streams(signature)
    _check_return(call, signature, bindings.get(RETURN))
    return signature


def _annotations(call: Callable[..., Any]) -> dict[str, Any]:
    target: Any = inspect.unwrap(call)
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        hints = get_type_hints(target)
    except Exception as error:
        raise LoadError(
            f"The annotations cannot be read: {describe(error)}. Every name in them must exist when the "
            "function is loaded, so import it outside of TYPE_CHECKING."
        ) from None
    return {name: None if hint in (Any, object) else hint for name, hint in hints.items()}


def _check_directions(bindings: Mapping[str, Binding]) -> None:
    for name, binding in bindings.items():
        if binding["direction"] not in ("in", "out"):
            raise LoadError(
                f"Binding {name!r} has the direction {binding['direction']!r}, which Python functions cannot "
                "have: make it two bindings, one in and one out."
            )
    if RETURN in bindings and not is_out(bindings[RETURN]):
        raise LoadError("Binding '$return' is the function's returned value: set its direction to out.")


def _check_context(annotation: Any) -> None:
    if annotation is not None and not is_context(annotation):
        raise LoadError(
            "Parameter 'context' is the invocation context: annotate it as func.Context, or not at all."
        )


def _check_streams(signature: Signature) -> None:
    for parameter in (signature.trigger, *signature.inputs):
        if is_chunks(parameter.annotation) and not signature.asynchronous:
            raise LoadError(
                f"{parameter.where}: only an async function can read an AsyncIterator. Use `async def`, or "
                "annotate it as BinaryIO."
            )
    if is_file(signature.trigger.annotation) and signature.asynchronous:
        raise LoadError(
            f"{signature.trigger.where}: reading a file would block all other async functions. Annotate it "
            "as AsyncIterator[bytes], or use a plain `def`."
        )


def _check_return(call: Callable[..., Any], signature: Signature, binding: Binding | None) -> None:
    target = binding["type"] if binding else "http" if signature.trigger.type == "httpTrigger" else ""
    lazy = inspect.isasyncgenfunction(call) or (inspect.isgeneratorfunction(call) and target != "queue")
    if lazy and target != "http":
        raise LoadError(
            "The function has a yield, so calling it would run nothing. Only an HTTP response can be "
            "streamed like this; return a value instead."
        )
    if binding and signature.returns is not None:
        check_union(signature.returns, "The returned value")
        raw = target == "http" and signature.returns is bytes and signature.is_plain
        if not raw and not takes(target, signature.returns):
            raise LoadError(
                f"The returned value goes to a binding of type {target}, which cannot take "
                f"{shown(signature.returns)}. It takes {wanted_types(target)}. Change the annotation, or "
                "remove the binding '$return'."
            )
