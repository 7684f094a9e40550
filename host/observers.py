"""What is logged of each invocation; the lines of functions-semantics 12.4."""

from __future__ import annotations

from typing import Any

from ..triggers.base import ErrorInfo, Outcome, Status, TriggerEvent
from .executor import Observer
from .log import Log
from .log_levels import LogLevels


class LogObserver(Observer):
    """Logs failures always, and beginnings and ends where the log shows details."""

    def __init__(self, log: Log, levels: LogLevels) -> None:
        self._log = log
        self.levels = levels
        #: The function of each invocation in flight: log lines of a worker bring only the invocation.
        self._functions: dict[str, str] = {}

    def started(self, function: str, invocation_id: str, event: TriggerEvent) -> None:
        self._functions[invocation_id] = function
        if self._log.shows("debug"):
            text = f"Executing 'Functions.{function}' (Reason='{event.reason}', Id={invocation_id})"
            self._log.say("debug", text, function=function, invocation=invocation_id)

    def ended(self, outcome: Outcome) -> None:
        self._functions.pop(outcome.invocation_id, None)
        if outcome.succeeded:
            if self._log.shows("debug"):
                self._say(outcome, "debug", self._executed(outcome, "Succeeded"))
        elif outcome.status is Status.INTERRUPTED:
            why = outcome.error.message if outcome.error else "the host is stopping"
            self._say(outcome, "warning", f"Interrupted 'Functions.{outcome.function}': {why}")
        else:
            self._say(outcome, "error", f"{self._executed(outcome, 'Failed')}\n{_why(outcome.error)}")

    def retrying(self, error: ErrorInfo, function: str, invocation_id: str, delay: float) -> None:
        text = f"{error.type}: {error.message}; another attempt follows in {delay:g} s."
        self._log.say("warning", text, function=function, invocation=invocation_id)

    def worker_said(self, header: dict[str, Any], text: str) -> None:
        """A line that user code printed or logged."""
        invocation = header.get("invocation", "")
        function = self._functions.get(invocation, "")
        level = header.get("level", "info")
        if not self.levels.shows(f"Function.{function}.User", level):
            return
        self._log.say(
            level,
            text,
            function=function,
            invocation=invocation,
            logger=header.get("logger"),
            stream=header.get("stream"),
        )

    def _executed(self, outcome: Outcome, how: str) -> str:
        took = (outcome.ended - outcome.started).total_seconds() * 1000
        return f"Executed 'Functions.{outcome.function}' ({how}, Id={outcome.invocation_id}, Duration={took:.0f}ms)"

    def _say(self, outcome: Outcome, level: str, text: str) -> None:
        if self.levels.shows(f"Function.{outcome.function}", level):
            self._log.say(level, text, function=outcome.function, invocation=outcome.invocation_id)


def _why(error: ErrorInfo | None) -> str:
    if error is None:
        return "It gave no reason."
    return error.traceback.rstrip() or f"{error.type}: {error.message}"
