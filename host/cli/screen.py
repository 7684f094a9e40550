"""What `funchost start` shows: to people a table and sentences, to machines one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ...bindings.counted import counted
from ...triggers.descriptor import Problem
from ..app.discovery import DEFAULT_SCRIPT
from ..config.host_json import HOST_JSON
from ..emulator.environment import command_line
from ..logs.log import Log
from ..workers.worker_settings import describe_python
from .output import emit_table, explained, fail, show_problems, talk
from .show import FUNCTION_COLUMNS, NO_FUNCTIONS, function_row

if TYPE_CHECKING:
    from ..host import Host

#: Addresses that stand for all that a machine has.
_EVERYWHERE = ("0.0.0.0", "::")


class Screen:
    """For people."""

    def __init__(self, log: Log, *, quiet: bool) -> None:
        self._log = log
        self._quiet = quiet

    def problems(self, problems: Iterable[Problem]) -> None:
        """Show what should be mended."""
        show_problems(problems)

    def serving(self, host: Host, *, told: bool) -> None:
        """Show the functions, and where the host listens; `told` when it was said why there are none."""
        if self._quiet:
            self.real_work(host)
            return
        rows = [function_row(one, host.url, with_reason=False) for one in host.functions.status()]
        if rows:
            emit_table(FUNCTION_COLUMNS, rows, err=True)
        elif not told:
            talk(NO_FUNCTIONS)
        talk("")
        self.real_work(host)
        talk(f"Listening on {host.url}  (store {host.configuration.store_folder}, keys {_keys(host)})")
        for sentence in _more(host):
            talk(sentence)
        if url := host.configuration.options.emulator:
            talk(f"AWS is emulated at {url}. A look into it:")
            talk(f"  {command_line(url)}")
        talk("Ctrl+C stops.")

    def real_work(self, host: Host) -> None:
        """Warn a developer whose host works with services that others use too."""
        uses = host.cloud_uses if host.configuration.is_local else []
        if not uses:
            return
        lines = ["This host was started on this machine, and does real work:"]
        for use in uses:
            lines += [f"  at {use}", *(f"    {verb:<6} {what}" for verb, what in use.deeds.items())]
        lines.append("On an emulator instead: funchost start --emulator aws")
        for line in lines:
            talk(click.style(line, fg="red"))
        talk("")

    def failed(self, error: Exception) -> int:
        """Say why the command ends; returns its exit code."""
        self._log.close()
        fail(*explained(error))


class JsonScreen(Screen):
    """For machines: lines of the log, with what they tell in fields of their own."""

    def problems(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self._log.write(
                problem.severity,
                problem.message,
                function=problem.function or "",
                file=problem.file,
                key=problem.key,
                line=problem.line,
                fix=problem.fix,
            )

    def serving(self, host: Host, *, told: bool) -> None:
        self.real_work(host)
        functions = [{**asdict(one), "url": one.url(host.url) or None} for one in host.functions.status()]
        self._log.say("info", counted(len(functions), "function"), functions=functions)
        self._log.say(
            "info",
            " ".join([f"Listening on {host.url}.", *_more(host)]),
            url=host.url,
            store=str(host.configuration.store_folder),
            keys=_keys(host),
            pid=host.pid,
        )
        if url := host.configuration.options.emulator:
            self._log.say("info", f"AWS is emulated at {url}.", emulator=url)

    def real_work(self, host: Host) -> None:
        for use in host.cloud_uses if host.configuration.is_local else ():
            self._log.write("warning", use.sentence, cloud=use.document)

    def failed(self, error: Exception) -> int:
        text, code = explained(error)
        self._log.write("error", text, exitCode=int(code))
        return code


def unlike_an_app(host: Host) -> list[Problem]:
    """A warning where the folder holds nothing that an app has: perhaps another one was meant."""
    root = host.configuration.root
    if any((root / name).exists() for name in (HOST_JSON, DEFAULT_SCRIPT)) or host.functions.status():
        return []
    message = f"{root} does not look like an app's folder: it has no host.json and no function."
    fix = "Name the app's folder with --root, or make this one an app: funchost init."
    return [Problem(message, fix=fix, severity="warning")]


def _keys(host: Host) -> str:
    return "asked for" if host.configuration.asks_for_keys else "not asked for"


def _more(host: Host) -> list[str]:
    """What is to be known beside the URL, where it is not as usual."""
    configuration = host.configuration
    sentences = []
    if configuration.address in _EVERYWHERE:
        sentences.append(f"It listens on every address of this machine ({configuration.address}).")
    if configuration.asks_for_keys:
        sentences.append("`funchost keys list` shows the keys.")
    if python := describe_python(configuration.python, configuration.root):
        sentences.append(f"The app runs under {python}.")
    return sentences
