"""JSON Schemas of function.json and host.json for editors, made from the models that check these files.

`python -m funchost.host.app.schemas` writes them beside this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ...bindings.time_span import format_time_span
from ...triggers.fields import BINDING_FIELDS
from ..config.host_models import HostJson
from .function_models import DIRECTIONS, TRIGGER_FIELDS, BindingCommon, FunctionJson
from .policy import PolicyFields

_DIALECT = "http://json-schema.org/draft-07/schema#"
_TIME_SPAN = r"^(-1|-?(\d+[.:])?\d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,7})?)?|\d+)$|^%[^%]+%$"
_ISO_DURATION = re.compile(r"-?P(\d+D)?(T[\d.]+S)?")

Schema = dict[str, Any]


def host_schema() -> Schema:
    """The schema of host.json."""
    definitions = _components(HostJson)
    schema = definitions.pop("HostJson")
    schema["required"] = ["version"]
    return _document("host.json of a function app", schema, definitions)


def function_schema(triggers: Mapping[str, type[Struct]] = TRIGGER_FIELDS) -> Schema:
    """The schema of function.json with these trigger types."""
    definitions = _components(FunctionJson)
    schema = definitions.pop("FunctionJson")
    kinds = {**triggers, **BINDING_FIELDS}
    schema["properties"]["bindings"] |= {
        "minItems": 1,
        "items": {"anyOf": [{"$ref": f"#/definitions/{kind}"} for kind in kinds]},
    }
    bindings = {kind: _binding(kind, model) for kind, model in kinds.items()}
    return _document("function.json of a function", schema, definitions | bindings)


def _binding(kind: str, model: type[Struct]) -> Schema:
    """The schema of one binding type; its policies are those of the top level."""
    own = _components(model)[model.__name__]
    common = _components(BindingCommon)["BindingCommon"]
    policies = _components(PolicyFields)["PolicyFields"]["properties"]
    directions = DIRECTIONS.get(kind, ("in",))
    properties = common["properties"] | own["properties"]
    properties |= {key: policies[key] for key in own["properties"].keys() & policies.keys()}
    properties["type"] = {"const": kind, "description": own.get("description", "")}
    properties["direction"] = {"enum": list(directions)}
    required = ["type", "name", *(["direction"] if "in" not in directions else []), *own.get("required", [])]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _components(model: type) -> dict[str, Schema]:
    """The schemas of the model and all that it is made of, by name."""
    _, definitions = msgspec.json.schema_components([model], ref_template="#/definitions/{name}")
    return {name: _as_written(each) for name, each in definitions.items()}


def _as_written(schema: Any) -> Any:
    """A schema with durations as TimeSpan texts, which is how people write them here."""
    if isinstance(schema, list):
        return [_as_written(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    written = {key: _as_written(value) for key, value in schema.items() if key != "title"}
    if written.get("default", "") is None:
        del written["default"]
    elif _ISO_DURATION.fullmatch(str(written.get("default"))):
        written["default"] = format_time_span(msgspec.convert(written["default"], timedelta))
    if written.get("format") != "duration":
        return written
    del written["format"]
    return written | {"type": ["string", "integer"], "pattern": _TIME_SPAN}


def _document(title: str, schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema["properties"] = {"$schema": {"type": "string"}} | schema["properties"]
    return {"$schema": _DIALECT, "title": title} | schema | {"definitions": dict(sorted(definitions.items()))}


def files() -> dict[Path, str]:
    """The shipped files and what they should hold."""
    here = Path(__file__).parent
    schemas = {"function.schema.json": function_schema(), "host.schema.json": host_schema()}
    return {here / name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
