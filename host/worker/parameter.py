"""One parameter held against the binding it stands for, and what is to make its value."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_args, get_origin

from . import values_azure, values_sdk
from .converters import accepts_input, converter_of, has_implicit_output, holds_azure, is_union, shown
from .errors import LoadError
from .values_json import split_optional
from .values_output import takes, wanted_types
from .values_plain import ALLOWED, ALLOWED_STREAMS, decoder, is_chunks, is_file

Binding = Mapping[str, Any]

#: What a run may get several of, as a list, and what brings it: bindings with a cardinality.
_LISTED: Final = {"queueTrigger": ("message", "trigger"), "blob": ("blob", "input")}


class Maker(enum.Enum):
    """What makes the value of a parameter."""

    #: The content as text, bytes, a JSON value or a model, by the annotation.
    PLAIN = enum.auto()
    #: A class of azure.functions, built here.
    AZURE = enum.auto()
    #: The converter of azure.functions for a type that is not served here.
    CONVERTER = enum.auto()
    #: An extension that gives clients of the storage SDK.
    SDK = enum.auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter and the binding it stands for."""

    binding: Binding
    #: None when there is none; ``X`` for ``X | None``, for ``Out[X]``, and for the ``list[X]`` of several values.
    annotation: Any = None
    optional: bool = False
    maker: Maker = Maker.PLAIN

    @property
    def name(self) -> str:
        return str(self.binding["name"])

    @property
    def type(self) -> str:
        return str(self.binding["type"])

    @property
    def many(self) -> bool:
        """Whether it is a list, with one value of that annotation for each message or blob."""
        return is_list(self.binding)

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"Parameter {self.name!r} ({self.type})"


def parameter_of(binding: Binding, hint: Any) -> Parameter:
    """The parameter of a binding, its annotation checked. Raises `LoadError`."""
    named_out = getattr(get_origin(hint) or hint, "__name__", "") == "Out"
    if hint is not None and named_out is not is_out(binding):
        fix = "func.Out is for outputs only." if named_out else "annotate it as func.Out[str], or not at all."
        kind = "output" if is_out(binding) else "input"
        raise LoadError(f"Parameter {binding['name']!r} is an {kind} ({binding['type']}): {fix}")
    if is_out(binding):
        return _out_parameter(binding, hint)
    return _in_parameter(binding, hint)


def _out_parameter(binding: Binding, hint: Any) -> Parameter:
    if hint is None:
        return Parameter(binding)
    arguments = get_args(hint)
    if len(arguments) != 1:
        raise LoadError(f"Parameter {binding['name']!r}: say what it takes, such as func.Out[str].")
    parameter = Parameter(binding, arguments[0])
    check_union(arguments[0], parameter.where)
    if not takes(parameter.type, arguments[0]):
        raise LoadError(
            f"{parameter.where} cannot take {shown(arguments[0])}. It takes {wanted_types(parameter.type)}."
        )
    return parameter


def _in_parameter(binding: Binding, hint: Any) -> Parameter:
    wanted = _one_of(binding, hint) if is_list(binding) else hint
    annotation, optional = split_optional(wanted)
    parameter = Parameter(binding, annotation, optional)
    check_union(wanted, parameter.where)
    maker = _maker(parameter)
    if maker is None:
        raise LoadError(f"{parameter.where} cannot be {shown(hint)}{_instead(parameter)}")
    _check_storage(parameter, maker)
    return replace(parameter, maker=maker)


def _one_of(binding: Binding, hint: Any) -> Any:
    """What each message or blob is annotated as. Raises `LoadError` for an annotation that is no list."""
    where = Parameter(binding).where
    check_union(hint, where)
    listed, _ = split_optional(hint)
    if listed is not None and (get_origin(listed) or listed) is not list:
        (one, source), rich = _LISTED[binding["type"]], values_azure.RICH[binding["type"]]
        raise LoadError(
            f"{where} cannot be {shown(hint)}: with the cardinality many it is a list of {one}s. Annotate it as "
            f"list[{rich}], list[str] or another list, or set the cardinality of the {source} to one."
        )
    item = next(iter(get_args(listed)), None)
    return None if item in (Any, object) else item


def _maker(parameter: Parameter) -> Maker | None:
    """What makes the value; None when nothing can make one of the annotated type."""
    kind, annotation = parameter.type, parameter.annotation
    if parameter.many and (
        is_file(annotation) or is_chunks(annotation) or values_sdk.is_sdk_type(annotation)
    ):
        return None
    if annotation is None:
        if kind in values_azure.RICH:
            return Maker.AZURE
        return Maker.CONVERTER if converter_of(kind) else Maker.PLAIN
    if values_sdk.is_sdk_type(annotation):
        return Maker.SDK
    if annotation in (str, bytes) and not (converter_of(kind) and has_implicit_output(kind)):
        return Maker.PLAIN
    if kind == "warmupTrigger" and is_context(annotation):
        # Azure's documentation has it so, though Azure's worker refuses it.
        return Maker.AZURE
    if accepts_input(kind, annotation):
        return Maker.CONVERTER if converter_of(kind) else Maker.AZURE
    plain = not holds_azure(annotation) and decoder(annotation, parameter.where)
    return Maker.PLAIN if plain else None


def _instead(parameter: Parameter) -> str:
    """How the refusal of an annotation goes on: what it can be."""
    kind, annotation = parameter.type, parameter.annotation
    one, source = _LISTED.get(kind, ("", ""))
    if one and not parameter.many and get_origin(annotation) is list:
        return (
            f": with the cardinality one it is a single {one}. Annotate it as {shown(get_args(annotation)[0])}, or "
            f"set the cardinality of the {source} to many."
        )
    allowed = f"{values_azure.RICH[kind]}, {ALLOWED}" if kind in values_azure.RICH else ALLOWED
    return (
        f". Each {one} can be {allowed}." if parameter.many else f". It can be {allowed}, {ALLOWED_STREAMS}."
    )


def check_union(annotation: Any, where: str) -> None:
    """See that no class of Azure's is one of several. Raises `LoadError`."""
    classes = holds_azure(annotation) or any(map(values_sdk.is_sdk_type, get_args(annotation)))
    if is_union(annotation) and classes:
        raise LoadError(
            f"{where} cannot be {shown(annotation)}: on Azure a class of azure.functions or of an extension "
            "cannot be part of Optional, Union or |. Annotate it as that class alone; its value may still be None."
        )


def _check_storage(parameter: Parameter, maker: Maker) -> None:
    storage = parameter.binding.get("storage", "embedded")
    if maker is Maker.SDK:
        values_sdk.check(parameter.type, storage, parameter.annotation, parameter.where)
    elif storage == "azure" and parameter.many:
        raise LoadError(
            f"{parameter.where} has a connection to Azure, from where this version brings no lists of blobs. Set the "
            "connection to UseDevelopmentStorage=true, or use a ContainerClient of azure.storage.blob in the function."
        )
    elif storage == "azure":
        raise LoadError(
            f"{parameter.where} has a connection to another storage than the embedded store. This version supports "
            "that only for clients of the SDK: annotate it as BlobClient of "
            "azurefunctions.extensions.bindings.blob, or set the connection to UseDevelopmentStorage=true."
        )


def is_list(binding: Binding) -> bool:
    """Whether it brings a run all messages at hand, or all blobs of a container."""
    return binding["type"] in _LISTED and binding.get("cardinality") == "many"


def is_out(binding: Binding) -> bool:
    """Whether a value is carried away."""
    return bool(binding["direction"] == "out")


def is_context(annotation: Any) -> bool:
    """Whether it is the class of the invocation context, which goes by its name."""
    return isinstance(annotation, type) and annotation.__name__ == "Context"
