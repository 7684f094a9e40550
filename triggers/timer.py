"""Timer trigger: checks the schedule, its time zone and the rest of the entry."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from ..bindings.errors import BindingError, ConfigurationError
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .fields import TimerTriggerFields
from .schedule import Schedule
from .singleton import ListenerLease, while_held
from .timer_listener import TimerListener, timer_event
from .timer_status import TimerStatus


class TimerTrigger(Trigger):
    """`timerTrigger`: a schedule, or one moment, in a time zone."""

    type = "timerTrigger"
    Fields = TimerTriggerFields

    fields: TimerTriggerFields

    def __init__(
        self, function: FunctionDescriptor, fields: TimerTriggerFields, resources: Resources
    ) -> None:
        super().__init__(function, fields, resources)
        self.schedule = _schedule(fields, _zone(fields.timeZone, resources.time_zone))

    def listener(self, deliver: Deliver) -> Listener:
        name, lease = self.function.name, f"{self.function.name}.Listener"
        held = while_held(lease, deliver, name, self.resources)

        def fence() -> int | None:
            found = self.resources.locks.surely_held(lease)
            return found.fence if found else None

        inner = TimerListener(name, self.schedule, self.fields, self.resources, held, fence)
        return ListenerLease(inner, lease, self.resources)

    def describe(self) -> str:
        return f"{self.fields.schedule or self.fields.runAt} ({self.schedule.zone})"

    def preview(self, now: datetime, count: int = 5) -> list[datetime]:
        """The runs after `now` that the schedule alone says, in its zone."""
        return self.schedule.upcoming(now, count)

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """A tick out of turn; with ``{"at": "<ISO time>"}`` as `data` the event that a tick at that time brings, on time
        and with the status as of then. Other data means nothing: a timer has no content.

        Raises `BindingError` for a time that is none.
        """
        moment = _moment_of(data, self.schedule.zone)
        if moment is None:
            return timer_event(None, past_due=False)
        try:
            status = TimerStatus.as_of(self.schedule, moment).to_json(self.schedule.zone)
        except OverflowError:
            raise BindingError(f"There is no calendar for a tick at {moment.isoformat()}.") from None
        return timer_event(status if self.is_monitored else None, past_due=False)

    @property
    def is_monitored(self) -> bool:
        """Whether its runs are remembered, and told to the function."""
        return self.fields.useMonitor is not False and not self.schedule.is_frequent


def _moment_of(data: bytes | None, zone: tzinfo) -> datetime | None:
    """The time for which a run by hand stands; None for now."""
    try:
        value: Any = msgspec.json.decode(data or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    text = value.get("at") if isinstance(value, dict) else None
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except (TypeError, ValueError):
        raise BindingError(
            f"'{text}' is not a time. Write it as ISO 8601, such as 2030-01-31T18:00:00+01:00."
        ) from None


def _schedule(fields: TimerTriggerFields, zone: tzinfo) -> Schedule:
    if (fields.schedule is None) == (fields.runAt is None):
        raise ConfigurationError("A timer needs either `schedule` or `runAt`, and not both.", key="schedule")
    key = "runAt" if fields.runAt is not None else "schedule"
    try:
        if fields.runAt is not None:
            return Schedule.at(fields.runAt, zone)
        return Schedule.parse(fields.schedule or "", zone)
    except ConfigurationError as error:
        raise ConfigurationError(str(error), key=key) from None


def _zone(own: str | None, default: str) -> tzinfo:
    """The zone of that name. UTC is there on machines without time zone data, too."""
    name = own or default
    if name.upper() == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = {zone.lower(): zone for zone in zoneinfo.available_timezones()}
    nearest = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {known[nearest[0]]}?" if nearest else "use an IANA name such as Europe/Berlin."
    if not known:
        hint = "this machine has no time zone data: install the package tzdata."
    where = "timeZone" if own else "the setting WEBSITE_TIME_ZONE or TZ"
    raise ConfigurationError(
        f"'{name}' in {where} is not a known time zone; {hint}", key="timeZone" if own else None
    )
