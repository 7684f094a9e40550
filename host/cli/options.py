"""What the commands have in common: their options, the kinds of values these take, and groups of commands."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click

from ...bindings.errors import ConfigurationError, FunchostError
from ...bindings.time_span import parse_duration
from ..config.vocabulary import nearest
from ..runtime import STORE_FOLDER
from .output import talk

_LAST_PORT = 65535

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class App:
    """The app that a command is about."""

    root: Path
    #: As it was given; None is the folder beside the app.
    store: Path | None

    @property
    def store_folder(self) -> Path:
        """Where the store is, or will be."""
        return (self.store or self.root / STORE_FOLDER).resolve()

    def check(self) -> None:
        """Raise `ConfigurationError` when the root is no folder."""
        if not self.root.is_dir():
            raise ConfigurationError(f"The app root {self.root} is not a folder. Name one with --root.")


def app_options(command: Command) -> Command:
    """Give the command `--root` and `--store`; it is called with both as `app`."""

    @click.option(
        "--root", type=click.Path(path_type=Path), default=".", help="The app root. Default: this folder."
    )
    @click.option(
        "--store", type=click.Path(path_type=Path), help=f"Folder of the store. Default ROOT/{STORE_FOLDER}."
    )
    @functools.wraps(command)
    def wrapped(root: Path, store: Path | None, **options: Any) -> Any:
        return command(app=App(root, store), **options)

    return wrapped  # type: ignore[return-value]


#: `--json`, which the command gets as `as_json`.
json_option = click.option("--json", "as_json", is_flag=True, help="As one JSON document.")


class Group(click.Group):
    """A group of commands that names the nearest one for a command it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known:
            near = nearest(args[0], known)
            hint = f"Did you mean '{near}'?" if near else f"There are: {', '.join(known)}."
            ctx.fail(f"There is no command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)


class Duration(click.ParamType[timedelta]):
    """A length of time such as ``10s``, ``5m`` or ``00:10:00``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            length = parse_duration(value)
        except (FunchostError, ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)
        if length < timedelta(0):
            self.fail(f"'{value}' is less than nothing.", param, ctx)
        return length


class Port(click.ParamType[int]):
    """A port to listen on."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and int(text) <= _LAST_PORT):
            kind = f"a port is a whole number from 1 to {_LAST_PORT}, and 0 takes any free one"
            self.fail(f"'{value}' is no port: {kind}.", param, ctx)
        return int(text)


class Moment(click.ParamType[datetime]):
    """A moment in ISO 8601; without an offset it is in the time zone of this machine."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            self.fail(
                f"'{value}' is no time. Write it as ISO 8601, such as 2030-01-31T18:00:00+01:00.", param, ctx
            )


class Since(click.ParamType[datetime]):
    """A moment as `Moment` takes it, or an age such as ``1h`` or ``2d``: so long before now."""

    name = "time|age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            pass
        try:
            return datetime.now(UTC) - parse_duration(value)
        except (FunchostError, ValueError, OverflowError):
            self.fail(
                f"'{value}' is no time. Write an age such as 30m, 1h or 2d, or a time as ISO 8601, such as "
                "2030-01-31T18:00:00+01:00.",
                param,
                ctx,
            )


class Rate(click.ParamType[float]):
    """How many a second, as ``10/s``, ``100/m`` or ``1000/h``; a bare number is a second's."""

    name = "rate"

    _SECONDS: ClassVar[dict[str, int]] = {"s": 1, "m": 60, "h": 3600}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, slash, unit = str(value).strip().lower().partition("/")
        found = re.fullmatch(r"\d{1,9}(\.\d{1,6})?", number, re.ASCII)
        if not found or float(number) <= 0 or (slash and unit not in self._SECONDS):
            self.fail(f"'{value}' is no rate: write 10/s, 100/m or 1000/h.", param, ctx)
        return float(number) / self._SECONDS[unit or "s"]


class Content(click.ParamType[bytes]):
    """Content as text, as ``@FILE``, or as ``-`` for what comes in on standard input."""

    name = "text|@file|-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        if value == "-":
            return _standard_input()
        if not value.startswith("@"):
            # As the terminal gave it, also where it is not UTF-8.
            return str(value).encode(errors="surrogateescape")
        try:
            return Path(value[1:]).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.fail(
                f"The file '{value[1:]}' cannot be read: {reason}. (Text that begins with @ can be given as -.)",
                param,
                ctx,
            )


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        talk("Reading from the terminal; Ctrl+D ends it.")
    return sys.stdin.buffer.read()
