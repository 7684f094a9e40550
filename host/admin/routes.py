"""The routes of the admin API: what each is asked, what it answers, and which one a path means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from .answers import Answer

if TYPE_CHECKING:
    from .call import AdminCall

Handler = Callable[["AdminCall"], Awaitable[Answer]]

#: How a parameter looks in a path that takes all the segments from there on.
_REST = "..."


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query without parameters."""


@dataclass(frozen=True, slots=True)
class Media:
    """A content of this type, and no JSON."""

    type: str
    #: The events of a stream: the model of each one's data.
    events: Mapping[str, Any] | None = None


RAW = Media("application/octet-stream")


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened after this event is no longer known one by one: ask for how things stand now."""

    after: str


def stream_of(events: Mapping[str, Any]) -> Media:
    """Server-sent events."""
    return Media("text/event-stream", {**events, "gap": Gap})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path. It is written down in the OpenAPI document as it stands here."""

    method: str
    #: Below `/admin`; parameters in braces, `{name...}` for one that takes all segments from there on.
    path: str
    handler: Handler
    #: What it does, in a line.
    summary: str
    #: The query's parameters.
    query: type[msgspec.Struct] = NoQuery
    #: Whether other parameters do not matter, as for Azure's host, or are refused: a filter that is misspelt would
    #: mean everything.
    lenient: bool = False
    #: What the body is to be; None: there is none.
    body: Any = None
    #: Whether there may as well be no body.
    body_optional: bool = False
    #: By status: the model of the JSON value, a `Media`, or None for no body. Refusals, which all routes have, are
    #: not listed.
    answers: Mapping[int, Any] = field(default_factory=lambda: {200: None})
    #: How the audit calls what it does, where no operation notes that itself.
    action: str | None = None
    #: Whether no key is wanted.
    is_public: bool = False
    #: Whether it answers while the host starts or stops.
    always: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        """The path in its parts."""
        return tuple(self.path.split("/"))

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters, in their order."""
        return [_name(part) for part in self.segments if _is_parameter(part)]


class Place:
    """A path with all its methods."""

    def __init__(self, segments: tuple[str, ...]) -> None:
        self._segments = segments
        self.routes: dict[str, Route] = {}

    @property
    def is_public(self) -> bool:
        """Whether no key is wanted."""
        return all(route.is_public for route in self.routes.values())

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The values of the parameters where `parts` is of this place; None where it is not."""
        *_, last = self._segments
        takes_rest = last.endswith(_REST + "}")
        if parts and not parts[-1] and not takes_rest:
            parts = parts[:-1]  # a slash at the end does not matter
        own = len(self._segments)
        if takes_rest and len(parts) > own:
            parts = [*parts[: own - 1], "/".join(parts[own - 1 :])]
        pairs = list(zip(self._segments, parts, strict=False))
        if len(parts) != own or not all(_is_parameter(want) or want == part.lower() for want, part in pairs):
            return None
        return {_name(want): part for want, part in pairs if _is_parameter(want)}


class Router:
    """Finds the place that a path means. Where two fit, the one whose words are given counts."""

    def __init__(self, routes: Iterable[Route]) -> None:
        places: dict[tuple[str, ...], Place] = {}
        for route in routes:
            place = places.setdefault(route.segments, Place(route.segments))
            assert route.method not in place.routes, f"{route.method} {route.path} stands there twice"
            place.routes[route.method] = route
        self._places = [places[segments] for segments in sorted(places, key=_generality)]

    def find(self, parts: Sequence[str]) -> tuple[Place, dict[str, str]] | None:
        """The place, and the values of its parameters."""
        for place in self._places:
            names = place.match(parts)
            if names is not None:
                return place, names
        return None


def _generality(segments: tuple[str, ...]) -> list[int]:
    return [2 if part.endswith(_REST + "}") else int(_is_parameter(part)) for part in segments]


def _is_parameter(part: str) -> bool:
    return part.startswith("{")


def _name(part: str) -> str:
    return part[1:-1].removesuffix(_REST)
