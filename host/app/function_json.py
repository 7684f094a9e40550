"""The definition of one function, in its function.json or by decorators, to a descriptor or the reasons why not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ...bindings.errors import ConfigurationError, FunchostError
from ...bindings.expressions import Template
from ...triggers.descriptor import Binding, FunctionDescriptor, Policy, Problem, SingletonMode
from ...triggers.fields import QueuePolicyFields, TriggerPolicyFields
from ..config.checker import Checker, fields_of_model
from ..config.host_models import HostJson
from ..config.jsonc import Document, KeyPath
from ..config.report import Report
from ..config.settings import AppSettings, is_on
from ..config.vocabulary import Vocabulary
from .binding_checks import check_binding
from .binding_reader import BindingReader, plain, settle
from .blob_loops import tell_loops
from .function_models import FunctionJson, function_paths
from .policy import PolicyFields, policy_of
from .script_file import find_script
from .source import Source

FUNCTION_JSON = "function.json"

_T = TypeVar("_T", bound=Struct)

_NAME = re.compile(r"(?!host$)[a-z][a-z0-9_-]{0,127}", re.IGNORECASE | re.ASCII)
_POLICIES = tuple(each.encode_name for each in fields_of_model(PolicyFields))
_OF_QUEUES = frozenset(QueuePolicyFields.__struct_fields__) - frozenset(TriggerPolicyFields.__struct_fields__)


def is_function_name(name: str) -> bool:
    """Whether a function, and so its folder, may be called so."""
    return _NAME.fullmatch(name) is not None


def fields_of(binding: Binding, model: type[_T]) -> _T:
    """A checked binding's fields as the model of its type."""
    return msgspec.convert(binding.fields, model)


@dataclass(frozen=True, slots=True)
class FunctionReader:
    """Reads the functions of one app."""

    root: Path
    app: AppSettings
    host_json: HostJson
    #: The fields of every trigger type that is served.
    triggers: Mapping[str, type[Struct]]

    def fetches(self, trigger: Binding) -> bool:
        """Whether the trigger takes messages from a queue, so that queue settings mean something."""
        model = self.triggers.get(trigger.type)
        return model is not None and frozenset(model.__struct_fields__) >= _OF_QUEUES

    def read(self, source: Source) -> tuple[FunctionDescriptor | None, list[Problem]]:
        """The function, None when it has to be left out, and what is wrong with it.

        Never raises for what its definition holds.
        """
        report = Report(source.file, function=source.name, line=source.line, named=source.named)
        if not is_function_name(source.name):
            what = "function" if source.decorated else "folder"
            fix = (
                f"Name the {what} with letters, digits, '-' and '_', beginning with a letter, and not 'host'."
            )
            report.error((), f"'{source.name}' cannot be the name of a function.", fix)
        if source.decorated:
            report.document = Document(source.decorated.document)
            readable = True
        else:
            readable = report.read(source.directory / FUNCTION_JSON)
        descriptor = _Reading(self, report, source).descriptor() if readable else None
        return (None if report.failed else descriptor), report.problems


class _Reading:
    """The reading of one definition that is JSON: every step tells what it finds, the last one decides."""

    def __init__(self, reader: FunctionReader, report: Report, source: Source) -> None:
        self.reader = reader
        self.report = report
        self.source = source
        self.bindings = BindingReader(reader.triggers, reader.app, report)

    def descriptor(self) -> FunctionDescriptor | None:
        document = self.settled(self.report.document.value)
        entries = _entries(document)
        checker = Checker(self.report, self.vocabulary(entries))
        top = checker.check(document, fields_of_model(FunctionJson))
        read = [self.bindings.read(each, ("bindings", index), checker) for index, each in enumerate(entries)]
        self.check_names(read)
        trigger = self.trigger(entries, read) if "bindings" in top else None
        if trigger:
            tell_loops(trigger, read, self.reader.app, self.report)
        # A policy that was already found wrong would only be complained about once more.
        sound = not self.report.failed
        policy = self.policy(top, trigger, read.index(trigger)) if trigger and sound else None
        script = self.script(top.get("scriptFile"))
        self.check_source(top)
        if trigger is None or script is None or policy is None:
            return None
        decorated = self.source.decorated
        return self.stamped(
            FunctionDescriptor(
                name=self.source.name,
                directory=self.source.directory,
                script_file=script,
                entry_point=decorated.entry_point if decorated else top.get("entryPoint", "main"),
                decorated=decorated is not None,
                file=self.source.file,
                line=self.report.line_of(("bindings", read.index(trigger))),
                trigger=trigger,
                bindings=tuple(each for each in read if each and each is not trigger),
                policy=policy,
                disabled=self.disabled(top.get("disabled", False)),
                unserved=self.bindings.tell_unserved(read),
            )
        )

    def vocabulary(self, entries: Sequence[Any]) -> Vocabulary:
        models = {index: self.bindings.model(entry) for index, entry in enumerate(entries)}
        return Vocabulary(lambda: function_paths({index: each for index, each in models.items() if each}))

    def settled(self, document: Any) -> Any:
        """The document with settings put into the policies; the bindings do it for themselves."""
        if not isinstance(document, dict):
            return document
        policies = {each.lower() for each in _POLICIES}
        return {
            key: settle(value, (key,), self.reader.app, self.report) if key.lower() in policies else value
            for key, value in document.items()
        }

    def check_names(self, read: Sequence[Binding | None]) -> None:
        seen: set[str] = set()
        for index, binding in enumerate(read):
            if binding and binding.name.lower() in seen:
                message = f"Two bindings are called '{binding.name}' (case does not count)."
                self.report.error(("bindings", index, "name"), message, "Rename one of them.")
            elif binding:
                seen.add(binding.name.lower())

    def trigger(self, entries: Sequence[Any], read: Sequence[Binding | None]) -> Binding | None:
        """The one trigger. A trigger that could not be read still counts, so that it is not called missing."""
        places = [index for index, entry in enumerate(entries) if _is_trigger(entry)]
        if len(places) > 1:
            message = f"There are {len(places)} triggers; a function has one."
            self.report.error(
                ("bindings", places[1], "type"), message, "Move the others to functions of their own."
            )
        elif not places and None not in read:
            self.report.error(
                ("bindings",), "There is no trigger.", 'Add one, such as "type": "httpTrigger".'
            )
        return read[places[0]] if len(places) == 1 else None

    def script(self, named: str | None) -> Path | None:
        if self.source.decorated:
            return self.source.decorated.script
        try:
            return find_script(self.source.directory, self.reader.root, named)
        except ConfigurationError as error:
            self.report.error(("scriptFile",), str(error))
        except OSError as error:
            self.report.error(
                ("scriptFile",), f"The folder cannot be read: {error.strerror}.", "Check who may read it."
            )
        return None

    def policy(self, top: Mapping[str, Any], trigger: Binding, index: int) -> Policy | None:
        said, places = self.said(top, trigger, ("bindings", index))
        fields = Checker(self.report, Vocabulary(list)).check(said, fields_of_model(PolicyFields))
        development = (self.reader.app.get("AZURE_FUNCTIONS_ENVIRONMENT") or "").lower() == "development"
        model = msgspec.convert(fields, PolicyFields)
        try:
            policy = policy_of(fields, model, self.reader.host_json, trigger.type, development)
        except ConfigurationError as error:
            self.report.error((*places["retry"], error.key or ""), str(error))
            return None
        self.check_scope(policy, places)
        return policy

    def said(
        self, top: Mapping[str, Any], trigger: Binding, place: KeyPath
    ) -> tuple[dict[str, Any], dict[str, KeyPath]]:
        """The policies that stand at the top or on the trigger, as JSON, and where each stands."""
        above = check_binding("", {key: plain(top[key]) for key in _POLICIES if key in top}, self.report, ())
        below = {key: trigger.fields[key] for key in _POLICIES if key in trigger.fields}
        for key in above.keys() & below.keys():
            if above[key] != below[key]:
                message = f"'{key}' is set at the top and on the trigger, to different values."
                self.report.error((key,), message, "Keep one of them.")
        if not self.reader.fetches(trigger):
            for key in sorted(above.keys() & _OF_QUEUES):
                self.report.warning((key,), f"'{key}' has no effect on {trigger.type}.", "Remove it.")
        places = dict.fromkeys(above, ()) | dict.fromkeys(below, place)
        return above | below, {key: (*around, key) for key, around in places.items()}

    def check_scope(self, policy: Policy, places: Mapping[str, KeyPath]) -> None:
        """A scope is filled from the event of a run; a listener has none."""
        if policy.singleton is None or policy.singleton.scope is None:
            return
        path = (*places["singleton"], "scope")
        try:
            literal = Template.parse(policy.singleton.scope).is_literal
        except FunchostError as error:
            self.report.error(path, str(error), "Write it like {customerId}.")
            return
        if policy.singleton.mode is SingletonMode.LISTENER and not literal:
            message = "The scope of a listener cannot depend on an event."
            self.report.error(path, message, 'Use "mode": "function", or a fixed scope.')

    def check_source(self, top: Mapping[str, Any]) -> None:
        if top.get("configurationSource") == "attributes":
            message = "Bindings that come from compiled code cannot be served."
            self.report.error(("configurationSource",), message, "List the bindings in function.json.")

    def disabled(self, said: bool | str) -> bool:
        """By function.json (true, or the name of a setting that is on), or by a setting of the app."""
        app = self.reader.app
        by_file = said if isinstance(said, bool) else is_on(said) or is_on(app.get(said.strip("%")))
        return by_file or app.disabled(self.source.name)

    def stamped(self, descriptor: FunctionDescriptor) -> FunctionDescriptor:
        """With a fingerprint of everything that a listener is made of, its connections included."""
        app = self.reader.app
        bindings = [
            each
            for each in (descriptor.trigger, *descriptor.bindings)
            if each.type not in descriptor.unserved
        ]
        connections = [app.connection(each.fields.get("connection") or "") for each in bindings]
        leads = [(each.kind, each.setting, each.value) for each in connections]
        digest = hashlib.sha256(repr((descriptor, leads)).encode("utf-8", "surrogatepass"))
        return replace(descriptor, fingerprint=digest.hexdigest())


def _entries(document: Any) -> list[Any]:
    """What stands in `bindings`; whether that is a list at all is checked elsewhere."""
    if not isinstance(document, dict):
        return []
    found = [value for key, value in document.items() if key.lower() == "bindings"]
    return found[-1] if found and isinstance(found[-1], list) else []


def _is_trigger(entry: Any) -> bool:
    """By its type's name, as in Azure; one that is called an output is none."""
    if not isinstance(entry, dict):
        return False
    lowered = {key.lower(): str(value).lower() for key, value in entry.items()}
    return lowered.get("type", "").endswith("trigger") and lowered.get("direction") != "out"
