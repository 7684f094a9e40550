"""Timer trigger: checks the schedule, its time zone and the rest of the entry."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, datetime, tzinfo

from ..bindings.errors import ConfigurationError
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .fields import TimerTriggerFields
from .schedule import Schedule
from .singleton import ListenerLease, while_held
from .timer_listener import TimerListener, timer_event


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
        """A tick out of turn. A timer has no content, so `data` is not looked at."""
        return timer_event(None, past_due=False)


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
