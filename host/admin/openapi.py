"""The OpenAPI document of the admin API, made from its routes and their models.

`python -m funchost.host.admin.openapi` writes it beside this module, from where it is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from .answers import Answer
from .call import AdminCall
from .models import Refused
from .routes import Media, Route

_FILE = Path(__file__).with_name("openapi.json")
_SCHEMAS = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)(?:\.\.\.)?\}")

#: What each parameter of a path is.
_PATH_PARAMETERS = {
    "batch": "A bulk replay, by its id.",
    "container": "A container.",
    "function": "A function, in any case.",
    "id": "A run, by its id or the beginning of it.",
    "key": "A key, by its name.",
    "lock": "A lock, by its name.",
    "message": "A message, by its id.",
    "name": "The name of a blob; slashes in it may stand as they are.",
    "queue": "A queue.",
}

_REFUSALS = {
    400: "Something in the query or the body is wrong.",
    401: "The master key is wanted.",
    403: "A page of another site has sent this.",
    404: "There is no such thing.",
    409: "The connection cannot be used as it is configured.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    503: "The host is starting or stopping, or its store cannot be used now.",
}

Schema = dict[str, Any]


async def openapi(call: AdminCall) -> Answer:
    """The document as it is shipped."""
    return 200, msgspec.Raw(_FILE.read_bytes())


def document(routes: Iterable[Route]) -> Schema:
    """The document of these routes."""
    routes = list(routes)
    schemas = _Schemas(routes)
    paths: dict[str, Schema] = {}
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route, schemas)
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "The admin API of funchost",
            "version": "1",
            "description": "See docs/admin-api.md. Moments are ISO 8601 in UTC.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"key": []}, {"code": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {f"Refused{status}": _refusal(status, schemas) for status in _REFUSALS},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "code": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }
    plain: Schema = json.loads(json.dumps(made))  # defaults of models may be tuples
    return plain


class _Schemas:
    """The schema of each model that the routes name."""

    def __init__(self, routes: list[Route]) -> None:
        asked = [route.query for route in routes]
        models = [Refused, *(model for route in routes for model in _models(route))]
        self._models: list[Any] = [*asked, *models]
        found, components = msgspec.json.schema_components(self._models, ref_template=_SCHEMAS)
        self._found = found
        queries, _ = msgspec.json.schema_components(asked, ref_template=_SCHEMAS)
        self._queries = {schema["$ref"].rpartition("/")[2]: components for schema in queries}
        #: Those that stand in bodies.
        self.components = {
            name: schema for name, schema in sorted(components.items()) if name not in self._queries
        }

    def of(self, model: Any) -> Schema:
        """The schema of a model."""
        return self._found[next(i for i, one in enumerate(self._models) if one is model or one == model)]

    def parameters(self, query: type[msgspec.Struct]) -> list[Schema]:
        """The parameters of a query."""
        name = self.of(query)["$ref"].rpartition("/")[2]
        properties = self._queries[name][name].get("properties", {})
        return [_parameter(name, dict(schema)) for name, schema in properties.items()]


def _models(route: Route) -> Iterator[Any]:
    for kind in (route.body, *route.answers.values()):
        if not isinstance(kind, Media):
            yield from [] if kind is None else [kind]
        elif kind.events:
            yield from kind.events.values()


def _operation(route: Route, schemas: _Schemas) -> Schema:
    operation: Schema = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.segments[0]],
        "responses": _responses(route, schemas),
    }
    parameters = [_path_parameter(name) for name in route.parameters] + schemas.parameters(route.query)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": _content(route.body, schemas),
        }
    if route.is_public:
        operation["security"] = []
    return operation


def _responses(route: Route, schemas: _Schemas) -> Schema:
    responses: Schema = {}
    for status, kind in route.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if kind is not None:
            responses[str(status)]["content"] = _content(kind, schemas)
    for status in _refusals(route):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/Refused{status}"})
    return dict(sorted(responses.items()))


def _refusals(route: Route) -> list[int]:
    if route.is_public:
        return []
    fields = {*route.query.__struct_fields__, *getattr(route.body, "__struct_fields__", ())}
    with_body = [408, 413] if route.body is not None else []
    with_names = [404] if route.parameters or fields else []
    with_connection = [409] if "connection" in fields else []
    return [400, 401, 403, 503, *with_body, *with_names, *with_connection]


def _refusal(status: int, schemas: _Schemas) -> Schema:
    return {"description": _REFUSALS[status], "content": _content(Refused, schemas)}


def _content(kind: Any, schemas: _Schemas) -> Schema:
    if not isinstance(kind, Media):
        return {"application/json": {"schema": schemas.of(kind)}}
    if kind.events is None:
        return {kind.type: {}}
    # OpenAPI 3.1 has no word for what the events of a stream hold.
    events = {name: schemas.of(model) for name, model in kind.events.items()}
    return {kind.type: {"schema": {"type": "string"}, "x-events": events}}


def _path_parameter(name: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_PARAMETERS[name],
        "schema": {"type": "string"},
    }


def _parameter(name: str, schema: Schema) -> Schema:
    about = {"description": schema.pop("description")} if "description" in schema else {}
    if schema.get("default", "") in (None, (), False):
        del schema["default"]
    return {"name": name, "in": "query", **about, "schema": _without_null(schema)}


def _without_null(schema: Schema) -> Schema:
    """What a parameter may be where it stands there: text cannot say null."""
    kinds = schema.get("anyOf")
    if not kinds:
        return schema
    rest = [dict(kind) for kind in kinds if kind != {"type": "null"}]
    others = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**others, **rest[0]} if len(rest) == 1 else {**others, "anyOf": rest}


def _path(route: Route) -> str:
    return "/admin/" + _PARAMETER.sub(r"{\1}", route.path)


def _operation_id(route: Route) -> str:
    words = re.findall(r"\w+", route.path)
    return route.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def files() -> dict[Path, str]:
    """The shipped file and what it should hold."""
    from .table import ROUTES

    return {_FILE: json.dumps(document(ROUTES), indent=2) + "\n"}


ROUTES = (
    Route(
        method="GET",
        path="openapi.json",
        handler=openapi,
        summary="This document.",
        answers={200: dict[str, Any]},
    ),
)

if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
