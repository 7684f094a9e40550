"""One entry of `bindings` in a function.json to one checked binding, or to the reasons why not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ...bindings.expressions import ExpressionError, resolve_settings
from ...bindings.storage import TABLES
from ...bindings.storages import storage_type
from ...bindings.time_span import format_time_span
from ...triggers.descriptor import Binding
from ...triggers.fields import BINDING_FIELDS, UnservedFields
from ..config.checker import Checker, fields_of_model
from ..config.connection import Connection
from ..config.jsonc import KeyPath
from ..config.report import Report
from ..config.settings import AppSettings
from ..config.vocabulary import nearest
from .binding_checks import STORED, check_binding, check_cardinality
from .function_models import (
    DIRECTIONS,
    NOT_SERVED,
    TRIGGER_FIELDS,
    BindingCommon,
    binding_fields,
)
from .policy import PolicyFields

#: As Azure's host has it since 4.1038: before, an underscore was refused.
_NAME = re.compile(r"(?!.*__)[a-zA-Z_][a-zA-Z0-9_]{0,127}|\$return", re.ASCII)
_COMMON = frozenset(each.encode_name for each in fields_of_model(BindingCommon))
_COMMON_KEYS = frozenset(each.lower() for each in _COMMON)
_POLICIES = frozenset(each.encode_name for each in fields_of_model(PolicyFields))


class BindingReader:
    """Reads the bindings of one function."""

    def __init__(self, triggers: Mapping[str, type[Struct]], app: AppSettings, report: Report) -> None:
        self._triggers = triggers
        own = [*BINDING_FIELDS, *(kind for kind in TRIGGER_FIELDS if kind in triggers)]
        self._spellings = {kind.lower(): kind for kind in own}
        self._unserved = {kind.lower(): kind for kind in NOT_SERVED}
        self._app = app
        self._report = report

    def model(self, entry: Any) -> type[Struct] | None:
        """The fields of the entry's type; None when that is missing or unknown."""
        kind = self._spelled(str(_lowered(entry).get("type")))
        if kind is None:
            return None
        return BINDING_FIELDS.get(kind) or self._triggers.get(kind) or UnservedFields

    def _spelled(self, kind: str) -> str | None:
        """The type as it is known; those of other packages are looked through only for one that is not ours."""
        own = self._spellings.get(kind.lower())
        brought = own or next((each for each in self._triggers if each.lower() == kind.lower()), None)
        return brought or self._unserved.get(kind.lower())

    def _serves(self, kind: str) -> bool:
        return kind in BINDING_FIELDS or kind in self._triggers

    def _known(self) -> list[str]:
        return sorted({*BINDING_FIELDS, *self._triggers})

    def read(self, entry: Any, path: KeyPath, checker: Checker) -> Binding | None:
        """The binding, checked and with its settings put in; None when something is wrong, which is told."""
        before = len(self._errors())
        model = self.model(entry)
        if model is None:
            self._tell_type(entry, path)
            return None
        checked = checker.check(self._settled(entry, model, path), binding_fields(model), path)
        if len(self._errors()) > before:
            return None
        fields = _unchecked(entry) if model is UnservedFields else self._fields(checked, path)
        binding = self._binding(checked, fields)
        self._check_name(binding, path)
        self._check_direction(binding, path, stated="direction" in checked)
        self._check_connection(binding, path)
        check_cardinality(binding, self._report, path)
        return binding if len(self._errors()) == before else None

    def tell_unserved(self, read: Sequence[Binding | None]) -> tuple[str, ...]:
        """The types among the bindings of a function that are not served here, each once and the trigger's first;
        told as one warning."""
        places: dict[str, int] = {}
        for index, each in enumerate(read):
            if each and each.type in NOT_SERVED and not self._serves(each.type):
                places.setdefault(each.type, index)
        types = tuple(sorted(places, key=lambda kind: not kind.endswith("Trigger")))
        if types:
            answers = any(each and each.type == "httpTrigger" for each in read)
            self._report.warning(
                ("bindings", places[types[0]], "type"),
                f"Not served here: {', '.join(types)}. {'Its route answers 501' if answers else 'Nothing starts it'}.",
                f"Run it by hand: funchost run {self._report.function} --data … shows what it would have sent.",
            )
        return types

    def _settled(self, entry: dict[str, Any], model: type[Struct], path: KeyPath) -> dict[str, Any]:
        """The entry with settings put in where its type's fields are checked, and without those fields where not."""
        common = {key: value for key, value in entry.items() if key.lower() in _COMMON_KEYS}
        if model is UnservedFields:
            return common
        return {
            key: value if key in common else settle(value, (*path, key), self._app, self._report)
            for key, value in entry.items()
        }

    def _fields(self, checked: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        fields = {
            key: plain(value) if key in _POLICIES else value
            for key, value in checked.items()
            if key not in _COMMON
        }
        kind = self._spelled(checked["type"])
        assert kind is not None, "it has a model"
        many = checked.get("cardinality") == "many" and checked.get("direction", "in") == "in"
        return check_binding(kind, fields, self._report, path, self._storage(kind, fields), many=many)

    def _binding(self, checked: dict[str, Any], fields: dict[str, Any]) -> Binding:
        kind = self._spelled(checked["type"])
        assert kind is not None, "it has a model"
        return Binding(
            type=kind,
            name=checked["name"],
            direction=checked.get("direction", "in"),
            data_type=checked.get("dataType", "undefined"),
            cardinality=checked.get("cardinality", "one"),
            fields=fields,
            storage=self._storage(kind, fields),
        )

    def _storage(self, kind: str, fields: Mapping[str, Any]) -> str:
        return self._connection(kind, fields).kind if kind in STORED else "embedded"

    def _connection(self, kind: str, fields: Mapping[str, Any]) -> Connection:
        find = self._app.table_connection if STORED[kind] == TABLES else self._app.connection
        return find(fields.get("connection") or "")

    def _tell_type(self, entry: Any, path: KeyPath) -> None:
        lowered = _lowered(entry)
        kind = lowered.get("type")
        if not isinstance(entry, dict):
            self._report.error(path, "A binding is an object.", 'Write it as {"type": …, "name": …}.')
        elif not isinstance(kind, str) or not kind:
            self._report.error(
                (*path, "type"), "'type' is missing.", 'Add it, such as "type": "queueTrigger".'
            )
        else:
            near = nearest(kind, [*self._known(), *NOT_SERVED])
            fix = f"Did you mean {near}?" if near else f"There are: {', '.join(self._known())}."
            self._report.error((*path, "type"), f"'{kind}' is not a known binding type.", fix)

    def _check_name(self, binding: Binding, path: KeyPath) -> None:
        if not _NAME.fullmatch(binding.name):
            self._report.error(
                (*path, "name"),
                f"'{binding.name}' cannot be the name of a binding.",
                "Use letters, digits and single underscores, with no digit at the beginning, or $return.",
            )
        elif binding.name == "$return" and binding.direction != "out" and not _is_left_to_workers(binding):
            self._report.error((*path, "name"), "$return is always an output.", 'Set "direction": "out".')

    def _check_direction(self, binding: Binding, path: KeyPath, *, stated: bool) -> None:
        trigger = binding.type.endswith("Trigger")
        allowed = DIRECTIONS.get(binding.type, ("in",) if trigger else ("in", "out"))
        if binding.direction in allowed or _is_left_to_workers(binding):
            return
        said = f"'{binding.direction}'" if stated else "'in', the default,"
        self._report.error(
            (*path, "direction"),
            f"{said} is not a direction of {binding.type}.",
            f'Set "direction": "{allowed[-1]}".',
        )

    def _check_connection(self, binding: Binding, path: KeyPath) -> None:
        if binding.type not in STORED:
            return
        connection = self._connection(binding.type, binding.fields)
        if binding.type == "blob" and binding.direction == "in" and connection.kind == "azure":
            # The function may speak to it for itself, with a client of the SDK: its worker knows.
            return
        if connection.message:
            tell = self._report.warning if connection.usable else self._report.error
            tell((*path, "connection"), connection.message, connection.fix)
        elif connection.settings and STORED[binding.type] not in storage_type(connection.kind).provides:
            self._report.error(
                (*path, "connection"),
                f"The connection '{connection.settings.setting}' leads to a storage without {STORED[binding.type]} "
                f"({connection.kind}).",
                f"Give this {binding.type} a connection of its own, to the embedded store.",
            )

    def _errors(self) -> list[str]:
        return [problem.message for problem in self._report.problems if problem.severity == "error"]


def _is_left_to_workers(binding: Binding) -> bool:
    """Whether its direction is for a worker to refuse, as in Azure: then the function's route answers 500."""
    odd = binding.direction == "inout" or (binding.name == "$return" and binding.direction != "out")
    return odd and binding.type in DIRECTIONS


def settle(value: Any, path: KeyPath, app: AppSettings, report: Report) -> Any:
    """The value with ``%SETTING%`` put into all its texts; one that cannot be is told and stays."""
    if isinstance(value, dict):
        return {key: settle(inner, (*path, key), app, report) for key, inner in value.items()}
    if isinstance(value, list):
        return [settle(inner, (*path, index), app, report) for index, inner in enumerate(value)]
    if not isinstance(value, str) or "%" not in value:
        return value
    try:
        return resolve_settings(value, app.get)
    except ExpressionError as error:
        report.error(path, str(error), "Add the setting to local.settings.json or the environment.")
        return value


def plain(value: Any) -> Any:
    """A checked value as JSON again: durations as TimeSpan texts, -1 for none at all."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, timedelta):
        return format_time_span(value)
    return "-1" if value is None else value


def _unchecked(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of a type that is not served, as they stand; our own policies mean nothing on it."""
    return {
        key: value for key, value in entry.items() if key.lower() not in _COMMON_KEYS and key not in _POLICIES
    }


def _lowered(entry: Any) -> dict[str, Any]:
    return {key.lower(): value for key, value in entry.items()} if isinstance(entry, dict) else {}
