"""Table inputs: Azure brings a list of entities, and a parameter that is one object gets the only one."""

from __future__ import annotations

from typing import Any, get_origin

from .errors import BindError
from .values_json import dump, is_json_type, parse
from .values_plain import Decode


def is_one_entity(annotation: Any) -> bool:
    """Whether the annotation asks for one object, such as a dict or a model."""
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and is_json_type(kind) and not issubclass(kind, list)


def only(decode: Decode, where: str) -> Decode:
    """Decodes the only entity of the list; an empty one gives None. Raises `BindError` for several."""

    def decode_only(content: bytes) -> Any:
        entities = parse(content, where)
        if len(entities) > 1:
            raise BindError(
                f"{where} is one entity, but its binding finds {len(entities)}. Annotate it as list[dict], or give "
                "the binding a partitionKey and a rowKey."
            )
        return decode(dump(entities[0], where)) if entities else None

    return decode_only
