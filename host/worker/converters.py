"""What the converters of azure.functions say of binding types: which annotations fit, what needs no `$return`.

The package is imported only for a class of its own, or for a type that nobody but it knows.
"""

from __future__ import annotations

import contextlib
import re
import typing
from collections.abc import Iterable
from inspect import formatannotation
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

#: Types whose values are made here, without the package.
_MADE_HERE: Final = frozenset(
    {
        "httpTrigger",
        "http",
        "queueTrigger",
        "queue",
        "blobTrigger",
        "blob",
        "timerTrigger",
        "warmupTrigger",
        "durableClient",
    }
)

#: Types without a converter, known as such: a function with one of them may return anything.
_GENERIC: Final = frozenset({"manualTrigger", "fileTrigger", "table"})

#: Types whose values are those of another one.
_SAME_AS: Final = {"fileTrigger": "blob"}

#: Where a class comes from: azure.functions, which apps import as `func`, or another module, which nobody writes.
_AZURE: Final = re.compile(r"\bazure\.functions\.(?:\w+\.)*")
_MODULE: Final = re.compile(r"(?<![\w.'\"])(?!func\.)(?:[^\W\d]\w*\.)+(?=\w)")

#: Outputs that are one value, and no collection of messages or rows.
_SINGLE: Final = frozenset({"http", "blob"})


def is_azure(kind: Any) -> bool:
    """Whether `kind` is a class of azure.functions, or derived from one."""
    bases = kind.__mro__ if isinstance(kind, type) else ()
    return any(base.__module__.split(".")[:2] == ["azure", "functions"] for base in bases)


def holds_azure(annotation: Any) -> bool:
    """Whether a class of azure.functions stands anywhere in the annotation."""
    return is_azure(annotation) or any(map(holds_azure, get_args(annotation)))


def shown(annotation: Any) -> str:
    """An annotation as people write it: ``func.HttpRequest``, ``Optional[str]``, ``list[Order]``."""
    if annotation is NoneType:
        return "None"
    if isinstance(annotation, type) and not get_args(annotation) and not is_azure(annotation):
        return annotation.__name__
    return _MODULE.sub("", _AZURE.sub("func.", formatannotation(annotation)))


def is_union(annotation: Any) -> bool:
    """Whether the annotation leaves a choice; Optional is one."""
    return get_origin(annotation) in (Union, UnionType)


def is_type(annotation: Any) -> bool:
    """Whether the annotation is a class, or one with arguments; a union is none."""
    return isinstance(get_origin(annotation) or annotation, type) and not is_union(annotation)


def converter_of(binding_type: str) -> Any:
    """The converter for a type that is not made here; None where there is none, or no package."""
    if binding_type in _MADE_HERE or binding_type in _GENERIC:
        return None
    with contextlib.suppress(ImportError):
        return _registered(binding_type)
    return None


def has_implicit_output(binding_type: str) -> bool:
    """Whether a function with such a binding may return a value without a binding for it."""
    if binding_type in _MADE_HERE:
        return False
    converter = converter_of(binding_type)
    return converter is None or bool(getattr(converter, "has_implicit_output", bool)())


def accepts_input(binding_type: str, annotation: Any) -> bool:
    """Whether the converter of that trigger or input makes values of the annotated type."""
    if not is_type(annotation):
        return False
    converter = _registered(_SAME_AS.get(binding_type, binding_type)) if holds_azure(annotation) else None
    converter = converter or converter_of(binding_type)
    return _says_yes(getattr(converter, "check_input_type_annotation", None), _as_typing(annotation))


def accepts_output(binding_type: str, annotation: Any) -> bool:
    """Whether an output of that type takes values of the type, a class of azure.functions or a list of such."""
    if not is_type(annotation):
        return False
    check = getattr(_registered(binding_type), "check_output_type_annotation", None)
    if _says_yes(check, _as_typing(annotation)):
        return True
    items = get_args(annotation) if binding_type not in _SINGLE else ()
    # The package knows its messages by their abstract class only, so that it refuses a list of the real one.
    return bool(items) and _is_iterable(annotation) and all(_says_yes(check, item) for item in items)


def _registered(binding_type: str) -> Any:
    from azure.functions import get_binding_registry

    return get_binding_registry().get(binding_type)  # type: ignore[no-untyped-call]


def _is_iterable(annotation: Any) -> bool:
    return issubclass(get_origin(annotation), Iterable)


def _as_typing(annotation: Any) -> Any:
    """``list[X]`` as ``typing.List[X]``, which is all that the package knows."""
    if get_origin(annotation) is list:
        return typing.List[get_args(annotation)]  # type: ignore[misc]  # noqa: UP006
    return annotation


def _says_yes(check: Any, annotation: Any) -> bool:
    try:
        return bool(check and check(annotation))
    except TypeError:
        # Most checks know classes only, and break on a list of them.
        return False
