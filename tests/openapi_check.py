"""Checks answers of the admin API against its OpenAPI document, and remembers which routes have answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_FILE = Path(str(files("funchost.host.admin") / "openapi.json"))
_URI = "urn:admin"


class Checked:
    """The document, and what has been seen of it."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = json.loads(_FILE.read_text())
        resource = DRAFT202012.create_resource(self.document)
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        #: Method, path and status of each answer.
        self.seen: set[tuple[str, str, int]] = set()

    def check(self, method: str, target: str, status: int, kind: str | None, body: bytes) -> None:
        """Fail for an answer that is not documented so. Answers that say a route does not exist need none."""
        found = self._find(method, target)
        if found is None:
            assert status in (404, 405, 401, 403), (
                f"{method} {target} is not documented, and answered {status}"
            )
            return
        path, operation = found
        self.seen.add((method, path, status))
        response = self._resolved(operation["responses"].get(str(status)))
        assert response, f"{method} {path} does not say that it answers {status}: {body[:500]!r}"
        self._check_content(f"{method} {path} {status}", response.get("content", {}), kind, body)

    def check_event(self, path: str, name: str, data: Any) -> None:
        """Fail for an event of a stream that is not documented so."""
        content = self.document["paths"][path]["get"]["responses"]["200"]["content"]
        events = content["text/event-stream"]["x-events"]
        assert name in events, f"{path} has no event {name}"
        self._validate(events[name], data, f"{path} {name}")

    def operations(self) -> Iterator[tuple[str, str]]:
        """Method and path of every operation."""
        for path, operations in self.document["paths"].items():
            for method in operations:
                yield method.upper(), path

    def unseen(self, answered: Iterable[int] = range(200, 300)) -> list[str]:
        """The operations that have not answered with one of these."""
        wanted = set(answered)
        done = {(method, path) for method, path, status in self.seen if status in wanted}
        return [f"{method} {path}" for method, path in self.operations() if (method, path) not in done]

    def _find(self, method: str, target: str) -> tuple[str, Any] | None:
        parts = [unquote(part) for part in target.partition("?")[0].split("/")]
        fitting = [path for path in self.document["paths"] if _fits(path.split("/"), parts)]
        for path in sorted(fitting, key=lambda path: [part.startswith("{") for part in path.split("/")]):
            operation = self.document["paths"][path].get(method.lower())
            if operation:
                return path, operation
            break
        return None

    def _resolved(self, value: Any) -> Any:
        if value and "$ref" in value:
            return self.document["components"]["responses"][value["$ref"].rpartition("/")[2]]
        return value

    def _check_content(self, where: str, content: Any, kind: str | None, body: bytes) -> None:
        if not body:
            assert _may_be_empty(where, content), f"{where} has no body"
            return
        assert content, f"{where} says that it has no body: {body[:500]!r}"
        name = (kind or "").partition(";")[0]
        if "application/json" in content:
            assert name == "application/json", f"{where} is {kind}"
            self._validate(content["application/json"]["schema"], json.loads(body), where)

    def _validate(self, schema: Any, value: Any, where: str) -> None:
        absolute = json.loads(json.dumps(schema).replace('"#/', f'"{_URI}#/'))
        errors = list(Draft202012Validator(absolute, registry=self._registry).iter_errors(value))
        told = [f"{error.json_path}: {error.message[:300]}" for error in errors]
        assert not told, f"{where}: {told} in {json.dumps(value)[:1000]}"


def _may_be_empty(where: str, content: Any) -> bool:
    # Whoever lacks the key is told nothing, where keys are asked for.
    if not content or where.endswith(("401", "404")):
        return True
    if "application/json" not in content:
        return True
    return {"type": "null"} in content["application/json"]["schema"].get("anyOf", [])


def _fits(path: list[str], parts: list[str]) -> bool:
    takes_rest = path[-1] in ("{name}", "{lock}")
    if not parts[-1] and not takes_rest:
        parts = parts[:-1]
    if len(parts) < len(path) or (len(parts) > len(path) and not takes_rest):
        return False
    return all(want.startswith("{") or want == part.lower() for want, part in zip(path, parts, strict=False))
