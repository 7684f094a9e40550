"""Which runs a command is about: the options that say so, and what they must name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from ...bindings.history import HistoryStore, RunFilter, RunState
from ..operations.runs import parse_state
from .access import check_function
from .options import App, Since

Command = TypeVar("Command", bound=Callable[..., Any])


class State(click.ParamType[RunState]):
    """A state of a run."""

    name = "state"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RunState:
        try:
            return parse_state(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


#: What the command gets as `functions` and `states`.
function_option = click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME",
    help="Only runs of this function; may be repeated.",
)
state_option = click.option(
    "--state", "states", multiple=True, type=State(), help="Only runs in this state; may be repeated."
)


def filter_options(command: Command) -> Command:
    """Give the command the options that `filter_of` takes."""

    @function_option
    @state_option
    @click.option("--since", type=Since(), help="Only runs that began then or later: 1h, 2d, or a time.")
    @click.option("--until", type=Since(), help="Only runs that began before: 1h, 2d, or a time.")
    @click.option("--search", metavar="WORDS", help="Only runs with all these words in input, error or log.")
    @functools.wraps(command)
    def wrapped(**options: Any) -> Any:
        return command(**options)

    return wrapped  # type: ignore[return-value]


def filter_of(
    functions: Sequence[str],
    states: Sequence[RunState],
    since: datetime | None,
    until: datetime | None,
    search: str | None,
) -> RunFilter:
    """What the options say."""
    if search is not None and not search.strip():
        raise click.BadParameter("Give at least one word.", param_hint="--search")
    if since is not None and until is not None and since >= until:
        raise click.BadParameter("No run can be there: --until is not after --since.", param_hint="--until")
    return RunFilter(
        functions=tuple(functions), states=tuple(states), since=since, until=until, search=search
    )


def filter_text(wanted: RunFilter) -> str:
    """The filter as it could be typed; moments as they were reckoned."""
    words = [f"--function {name}" for name in wanted.functions]
    words += [f"--state {state}" for state in wanted.states]
    for name, moment in (("since", wanted.since), ("until", wanted.until)):
        if moment:
            words.append(f"--{name} {moment.astimezone().isoformat(timespec='seconds')}")
    if wanted.search:
        words.append(f"--search '{wanted.search}'")
    return " ".join(words)


def has_store(app: App) -> bool:
    """Whether there is a store yet; where there is none, none has to be made to find nothing in it."""
    app.check()
    return (app.store_folder / "store.db").exists()


async def check_known(app: App, history: HistoryStore | None, functions: Sequence[str]) -> None:
    """Raise `NotFound` for a name that neither a run nor a function of the app bears."""
    for name in functions:
        if history is None or not await history.list(RunFilter(functions=(name,)), 1):
            await check_function(app, name)
