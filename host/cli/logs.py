"""`funchost logs`: what hosts and functions have logged, and what they log now. Works beside running hosts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from datetime import datetime

import click

from ..logs.line import LogLine, json_line, readable_line
from ..logs.log_levels import LEVELS
from ..logs.log_reader import LineFilter, LogReader
from ..operations.logs import last_lines, lines_of_run, log_reader
from ..operations.workbench import Workbench
from ..runtime import running_hosts
from .access import opened_workbench
from .main import run_async
from .message import printable
from .options import App, Since, app_options
from .output import talk
from .runs_filter import check_known, has_store

#: Lines that are shown unless it is said how many.
_LINES = 100

#: Seconds between two looks at what is new, and, where one run is followed, at whether it has ended.
_LOOK = 0.2
_LOOK_AT_RUN = 1.0


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is logged from now on.")
@click.option("--function", "functions", multiple=True, metavar="NAME", help="Only of this one; repeat.")
@click.option("--run", "run_id", metavar="ID", help="Only of this run; the beginning of its id will do.")
@click.option(
    "--level",
    type=click.Choice(list(LEVELS), case_sensitive=False),
    default="debug",
    help="The least level. Default: all.",
)
@click.option("--since", type=Since(), help="Only from then on: 30m, 1h, or a time.")
@click.option(
    "-n", "count", type=click.IntRange(0), help=f"The last lines only. Default {_LINES}; all of a --run."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@app_options
def logs(
    app: App,
    follow: bool,
    functions: tuple[str, ...],
    run_id: str | None,
    level: str,
    since: datetime | None,
    count: int | None,
    as_json: bool,
) -> None:
    """Show what hosts and functions have logged, and follow it.

    The lines come from the files in which the store's hosts keep their log and, for what is older, from the history
    of runs. With --follow they go on, also when a host ends and another one begins; those of a --run until it ends.
    """
    if run_id is not None and not run_id:
        raise click.BadParameter("Give the id of a run, or its beginning.", param_hint="--run")
    names = frozenset(name.lower() for name in functions)
    wanted = LineFilter(functions=names, run=run_id, level=level.lower(), since=since)
    if count is None and run_id is None:
        count = _LINES
    printer = _Printer(as_json)
    run_async(lambda: _show(app, wanted, count, functions, printer, follow=follow))


class _Printer:
    """Prints lines."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._colours = sys.stdout.isatty()
        self._today = datetime.now().astimezone().date()

    def lines(self, lines: Iterable[LogLine]) -> bool:
        """Print the lines at once: whoever reads along sees each. Returns whether there was one."""
        text = "".join(map(json_line if self._as_json else self._readable, lines))
        if text:
            click.echo(text, nl=False)
        return bool(text)

    def _readable(self, line: LogLine) -> str:
        dated = line.time.astimezone().date() != self._today
        shown = LogLine(line.time, line.level, printable(line.text), line.function, line.invocation)
        return readable_line(shown, colours=self._colours, dated=dated)


async def _show(
    app: App,
    wanted: LineFilter,
    count: int | None,
    functions: tuple[str, ...],
    show: _Printer,
    *,
    follow: bool,
) -> None:
    is_new = not has_store(app)
    if is_new and not follow and not functions and wanted.run is None:
        talk("Nothing was logged yet: no host has run here.")
        return
    async with opened_workbench(app) as workbench:
        await check_known(app, None if is_new else workbench.history, functions)
        reader = log_reader(workbench)
        if wanted.run is not None:
            await _show_run(workbench, reader, wanted, count, show, follow=follow)
            return
        if not show.lines(await last_lines(workbench, reader, wanted, count)) and not follow:
            talk("No such lines." if wanted != LineFilter() else "Nothing was logged yet.")
        if follow:
            if not running_hosts(app.store_folder):
                talk("No host runs here now; the log goes on when one is started. Ctrl+C ends this.")
            await _follow(reader, wanted, show)


async def _follow(reader: LogReader, wanted: LineFilter, show: _Printer) -> None:
    while True:
        show.lines(filter(wanted.wants, await asyncio.to_thread(reader.new)))
        await asyncio.sleep(_LOOK)


async def _show_run(
    workbench: Workbench,
    reader: LogReader,
    wanted: LineFilter,
    count: int | None,
    show: _Printer,
    *,
    follow: bool,
) -> None:
    run, lines = await lines_of_run(workbench, reader, wanted, count)
    show.lines(lines)
    if not follow or (run and run.ended):
        return
    following = asyncio.create_task(_follow(reader, wanted, show))
    while run is None or run.ended is None:
        await asyncio.wait({following}, timeout=_LOOK_AT_RUN)
        if following.done():
            break
        run = await workbench.history.get(run.id) if run else None
    await asyncio.wait({following}, timeout=_LOOK_AT_RUN)  # its last lines are written after its end
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
