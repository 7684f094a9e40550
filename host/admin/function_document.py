"""A function as Azure's tools are shown it (functions-semantics 12.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...bindings.errors import FunchostError
from ...triggers.descriptor import Binding, FunctionDescriptor
from ...triggers.http import HttpTrigger
from ..app.discovery import FUNCTIONS
from ..app.function_json import FUNCTION_JSON
from ..config.jsonc import loads
from ..served_function import FunctionStatus, ServedFunction

if TYPE_CHECKING:
    from ..host import Host


def function_document(host: Host, status: FunctionStatus, url: str) -> dict[str, Any]:
    """Azure's fields, with `url` as the beginning of addresses, and ours: trigger, where, state, errors.

    Reads the function's folder. What lies under `/admin/vfs` is named but not served here.
    """
    root = host.configuration.root
    served = host.functions.get(status.name)
    folder = _folder(root, status.name, served)
    definition = folder / FUNCTION_JSON if folder else None
    script = served.descriptor.script_file if served else None
    return {
        "name": status.name,
        "script_root_path_href": _href(root, folder, url, "/"),
        "script_href": _href(root, script, url),
        "config_href": _href(root, definition, url),
        "test_data_href": None,
        "href": f"{url}/admin/functions/{_quoted(status.name)}",
        "invoke_url_template": _invoke_url(served, url),
        "language": "python",
        "config": _config(definition, served),
        "files": None,
        "test_data": None,
        "isDisabled": status.disabled if served else host.configuration.settings.app.disabled(status.name),
        "isDirect": False,
        "isProxy": False,
        "trigger": status.trigger,
        "where": status.where,
        "state": status.state,
        "errors": list(status.errors),
    }


def _folder(root: Path, name: str, served: ServedFunction | None) -> Path | None:
    """The folder of a function that has one, also where its definition cannot be served."""
    if served:
        return None if served.descriptor.decorated else served.descriptor.directory
    places = (root / name, root / FUNCTIONS / name)
    return next((place for place in places if (place / FUNCTION_JSON).exists()), None)


def _href(root: Path, path: Path | None, url: str, end: str = "") -> str | None:
    if path is None or not path.is_relative_to(root):
        return None
    return f"{url}/admin/vfs/{_quoted(path.relative_to(root).as_posix())}{end}"


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"))


def _invoke_url(served: ServedFunction | None, url: str) -> str | None:
    if served is None or not isinstance(served.trigger, HttpTrigger):
        return None
    return f"{url}/{served.trigger.route.template.text}".lower()


def _config(definition: Path | None, served: ServedFunction | None) -> Any:
    """The function.json as it stands, or what it would hold."""
    if definition is None:
        return _as_function_json(served.descriptor) if served else None
    try:
        return loads(definition.read_bytes()).value
    except (OSError, FunchostError):
        return None


def _as_function_json(descriptor: FunctionDescriptor) -> dict[str, Any]:
    return {
        "name": descriptor.name,
        "entryPoint": descriptor.entry_point,
        "scriptFile": descriptor.script_file.name,
        "language": "python",
        "functionDirectory": str(descriptor.directory),
        "bindings": [_entry(binding) for binding in (descriptor.trigger, *descriptor.bindings)],
    }


def _entry(binding: Binding) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": binding.type, "name": binding.name, "direction": binding.direction}
    if binding.data_type != "undefined":
        entry["dataType"] = binding.data_type
    if binding.cardinality != "one":
        entry["cardinality"] = binding.cardinality
    return entry | binding.fields
