"""The admin API of what keeps an app from working, and of its configuration with where each value came from."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec

from ..configuration import Configuration
from .answers import Answer
from .call import AdminCall
from .models import Refused
from .routes import Route

_Outcome = Literal["ok", "warning", "problem", "skipped"]


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was looked at."""

    name: str
    outcome: _Outcome
    found: str
    fix: str | None
    file: str | None
    key: str | None
    line: int | None
    function: str | None


class Checks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was looked at."""

    outcome: _Outcome
    checks: list[Check]


class ConfigValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value of the configuration."""

    section: str
    key: str
    value: Any
    secret: Annotated[bool, msgspec.Meta(description="Whether it is masked.")]
    origin: Annotated[dict[str, Any], msgspec.Meta(description="Where it came from.")]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration."""

    values: list[ConfigValue]
    problems: list[dict[str, Any]]


class ConfigQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of it."""

    effective: Annotated[bool, msgspec.Meta(description="Also the defaults of what is said nowhere.")] = False


async def get_doctor(call: AdminCall) -> Answer:
    """Look for what keeps the app from working, beside its run."""
    # Much that nothing else asks for.
    from ..operations.doctor.check import doctor_document
    from ..operations.doctor.examine import examine
    from ..operations.doctor.patient import Patient

    if call.desk.examining.locked():
        return 409, {"error": "The app is being examined already: ask again when that is done."}
    async with call.desk.examining:
        patient = Patient(Configuration(call.host.configuration.options))
        return 200, doctor_document([check async for check in examine(patient)])


async def get_config(call: AdminCall) -> Answer:
    """Each value of the configuration and where it came from; secrets are masked."""
    from ..operations.config_view import config_document, config_view
    from ..operations.doctor.look import look_at

    configuration = Configuration(call.host.configuration.options)
    look = await look_at(configuration, load=False)
    view = config_view(configuration, look, effective=call.query(ConfigQuery).effective)
    return 200, config_document(replace(view, values=tuple(value.masked for value in view.values)))


ROUTES = (
    Route(
        method="GET",
        path="doctor",
        handler=get_doctor,
        summary="What keeps the app from working.",
        answers={200: Checks, 409: Refused},
    ),
    Route(
        method="GET",
        path="config",
        handler=get_config,
        summary="Each value of the configuration and where it came from.",
        query=ConfigQuery,
        answers={200: Config},
    ),
)
