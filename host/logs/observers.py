"""What is logged of the host's start and of each invocation; the lines of functions-semantics 12.4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...triggers.base import ErrorInfo, Outcome, Status
from ..execution.observer import Observer
from ..execution.run import Run
from .log import Log

#: What the host starts with, by Azure's category.
_STARTUP = "Host.Startup"

#: What is printed outside of any invocation.
_CONSOLE = "Host.Function.Console"

#: Printed lines that begin with this are the worker's own.
_SYSTEM = "languageworkerconsolelog"


class LogObserver(Observer):
    """Logs failures always, and beginnings and ends where the log shows details."""

    def __init__(self, log: Log) -> None:
        self._log = log
        #: The function of each invocation in flight: log lines of a worker bring only the invocation.
        self._functions: dict[str, str] = {}

    # -- the host

    def initialized(self, functions: Sequence[str], seconds: float) -> None:
        """The functions are known, `seconds` after the beginning."""
        self._log.detail(f"Generating {len(functions)} job function(s)", category=_STARTUP)
        if functions:
            names = "\n".join(f"Host.Functions.{name}" for name in functions)
            self._log.detail(f"Found the following functions:\n{names}", category=_STARTUP)
        self._log.detail(f"Host initialized ({seconds * 1000:.0f}ms)", category=_STARTUP)

    def serving(self, seconds: float) -> None:
        """Everything listens, `seconds` after the beginning."""
        self._log.detail(f"Host started ({seconds * 1000:.0f}ms)", category=_STARTUP)
        self._log.detail("Job host started", category=_STARTUP)

    # -- invocations

    def started(self, run: Run) -> None:
        function, invocation_id = run.function, run.invocation_id
        self._functions[invocation_id] = function
        if self._log.shows_details:
            event = run.event
            lines = [f"Executing 'Functions.{function}' (Reason='{event.reason}', Id={invocation_id})"]
            if event.details:
                details = ", ".join(f"{key}: {value}" for key, value in event.details().items())
                lines.append(f"Trigger Details: {details}")
            for line in lines:
                self._log.detail(
                    line, category=f"Function.{function}", function=function, invocation=invocation_id
                )

    def ended(self, run: Run, outcome: Outcome) -> None:
        self._functions.pop(outcome.invocation_id, None)
        if outcome.succeeded:
            if self._log.shows_details:
                self._log.detail(_executed(outcome, "Succeeded"), **_about(outcome))
        elif outcome.status is Status.LOST_LEASE:
            text = f"{_executed(outcome, 'Lost')}\nIts message had been handed to another run by then; nothing was stored."
            self._log.say("warning", text, **_about(outcome))
        elif outcome.status is Status.INTERRUPTED:
            why = outcome.error.message if outcome.error else "the host is stopping"
            self._log.say("warning", f"Interrupted 'Functions.{outcome.function}': {why}", **_about(outcome))
        else:
            text = f"{_executed(outcome, 'Failed')}\n{_why(outcome.error)}"
            # What a client did wrong is nothing that the app's people have to mend.
            is_callers = outcome.error is not None and outcome.error.is_callers
            self._log.say("warning" if is_callers else "error", text, **_about(outcome))

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        text = f"{error}; another attempt follows in {delay:g} s."
        about = {"function": run.function, "invocation": run.invocation_id}
        self._log.say("warning", text, category=f"Function.{run.function}", **about)

    # -- workers

    def worker_said(self, header: dict[str, Any], text: str) -> None:
        """What user code printed or logged, and what the worker itself has to say."""
        if header.get("system"):
            self._system(header, text)
        elif "stream" in header and _SYSTEM in text.lower():
            self._sort(header, text)
        else:
            self._user(header, text)

    def _sort(self, header: dict[str, Any], text: str) -> None:
        """Printed lines, some of which are the worker's own."""
        for line in text.split("\n"):
            if line.lower().startswith(_SYSTEM):
                self._system(header, line[len(_SYSTEM) :].strip())
            else:
                self._user(header, line)

    def _user(self, header: dict[str, Any], text: str) -> None:
        invocation = header.get("invocation", "")
        function = self._functions.get(invocation, "")
        self._log.pass_on(
            header.get("level", "info"),
            text,
            category=f"Function.{function}.User" if function else _CONSOLE,
            function=function,
            invocation=invocation,
            logger=header.get("logger"),
            stream=header.get("stream"),
        )

    def _system(self, header: dict[str, Any], text: str) -> None:
        logger = header.get("logger") or "console"
        self._log.detail(text, category=f"Worker.{logger}", logger=logger)


def _about(outcome: Outcome) -> dict[str, str]:
    return {
        "category": f"Function.{outcome.function}",
        "function": outcome.function,
        "invocation": outcome.invocation_id,
    }


def _executed(outcome: Outcome, how: str) -> str:
    took = (outcome.ended - outcome.started).total_seconds() * 1000
    return (
        f"Executed 'Functions.{outcome.function}' ({how}, Id={outcome.invocation_id}, Duration={took:.0f}ms)"
    )


def _why(error: ErrorInfo | None) -> str:
    if error is None:
        return "It gave no reason."
    return error.traceback.rstrip() or str(error)
