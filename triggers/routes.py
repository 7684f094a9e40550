"""Which function a URL belongs to: the most specific route that matches path and method."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from .route_constraints import RouteError
from .route_template import Rank, Segment, Template, parse_template

__all__ = ["OrderDifference", "Route", "RouteError", "Router", "find_conflicts", "order_differences"]


@dataclass(frozen=True, slots=True)
class Route:
    """A function's place among the URLs."""

    function: str
    template: Template
    #: In capitals; None means every method.
    methods: frozenset[str] | None = None

    @classmethod
    def parse(cls, function: str, text: str, methods: Iterable[str] | None = None) -> Route:
        """A route from its template, prefix included; no methods mean all. Raises `RouteError`."""
        names = frozenset(method.upper() for method in methods or ())
        return cls(function, parse_template(text), names or None)

    def allows(self, method: str) -> bool:
        """Whether it answers to this method."""
        return self.methods is None or method in self.methods

    def shares_method(self, other: Route) -> str | None:
        """A method that both answer to, or None."""
        if self.methods is None or other.methods is None:
            return min(self.methods or other.methods or ("GET",))
        return min(self.methods & other.methods, default=None)

    def named(self, values: Sequence[str | None]) -> dict[str, str]:
        """Captured values by parameter name, with defaults; what is absent is left out."""
        params = {p.name: p.default for p in self.template.parameters if p.default is not None}
        for parameter, value in zip(self.template.parameters, values, strict=False):
            if value is not None:
                params[parameter.name] = value
        return params


def split_path(path: str) -> list[str]:
    """The decoded segments of a URL's path, dot segments resolved, a trailing slash ignored.

    An encoded slash stays encoded, as in ASP.NET: so a decoded value can never leave its segment.
    """
    trimmed = path.removeprefix("/")
    segments = trimmed.removesuffix("/").split("/") if trimmed not in ("", "/") else []
    if "%" in path:
        segments = [unquote(s.replace("%2F", "%252F").replace("%2f", "%252f")) for s in segments]
    if "." in segments or ".." in segments:
        segments = _without_dots(segments)
    return segments


def _without_dots(segments: list[str]) -> list[str]:
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return kept


@dataclass(slots=True)
class _Node:
    """All routes that agree on the segments so far."""

    literals: dict[str, _Node] = field(default_factory=dict)
    #: Parameters and segments of several parts, most specific first.
    edges: list[tuple[Segment, _Node]] = field(default_factory=list)
    #: Routes that may end here, by the rank of what is absent.
    ends: list[tuple[Rank, Route]] = field(default_factory=list)
    #: Routes with a catch-all here, by its rank.
    rest: list[tuple[Rank, Route]] = field(default_factory=list)

    def child(self, segment: Segment) -> _Node:
        if segment.rank is Rank.LITERAL:
            return self.literals.setdefault(segment.shape, _Node())
        for other, node in self.edges:
            if other.rank is segment.rank and other.shape == segment.shape:
                return node
        node = _Node()
        self.edges.append((segment, node))
        # More constraints are more specific; otherwise the earlier function's edge goes first.
        self.edges.sort(key=lambda edge: (edge[0].rank, -edge[0].conditions))
        return node

    def add(self, route: Route) -> None:
        node = self
        for index, segment in enumerate(route.template.segments):
            if route.template.ends_at(index):
                _insert(node.ends, segment.rank, route)
            if segment.catch_all:
                _insert(node.rest, segment.rank, route)
                return
            node = node.child(segment)
        _insert(node.ends, Rank.END, route)

    def find(
        self, method: str, segments: list[str], index: int, values: tuple[str | None, ...]
    ) -> tuple[Route, dict[str, str]] | None:
        if index == len(segments):
            return next((_hit(route, values) for _, route in self.ends if route.allows(method)), None)
        text = segments[index]
        literal = self.literals.get(text.lower())
        if literal is not None and (found := literal.find(method, segments, index + 1, values)):
            return found
        for segment, node in self.edges:
            captured = segment.capture(text)
            if captured is not None and (found := node.find(method, segments, index + 1, values + captured)):
                return found
        return self._find_rest(method, "/".join(segments[index:]), values) if self.rest else None

    def _find_rest(
        self, method: str, text: str, values: tuple[str | None, ...]
    ) -> tuple[Route, dict[str, str]] | None:
        for _, route in self.rest:
            if route.allows(method) and route.template.parameters[-1].accepts(text):
                return _hit(route, (*values, text))
        return None


def _insert(entries: list[tuple[Rank, Route]], rank: Rank, route: Route) -> None:
    entries.append((rank, route))
    entries.sort(key=lambda entry: entry[0])


def _hit(route: Route, values: Sequence[str | None]) -> tuple[Route, dict[str, str]]:
    return route, route.named(values)


class Router:
    """All routes of a host. It never changes once built; `match` costs the same with a thousand functions.

    Segment by segment a literal wins over a constrained parameter, that over a plain one, and that over a
    catch-all. Between equals the function whose name comes first wins. The method is part of the match.
    """

    def __init__(self, root: _Node, exact: dict[str, list[Route]]) -> None:
        self._root = root
        self._exact = exact

    @classmethod
    def build(cls, routes: Iterable[Route]) -> Router:
        """A router over these routes, in whatever order they come."""
        root = _Node()
        exact: dict[str, list[Route]] = {}
        for route in sorted(routes, key=_by_name):
            root.add(route)
            if route.template.literal:
                exact.setdefault("/" + route.template.text.lower(), []).append(route)
        return cls(root, exact)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a method in capitals and a path as sent, and its parameters; None without one."""
        return self.match_exact(method, path) or self.match_segments(method, split_path(path))

    def match_exact(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """As `match`, but only among routes without parameters (there is nothing more specific), and fast."""
        routes = self._exact.get(path) or self._exact.get(path.lower())
        if routes is not None:
            for route in routes:
                if route.allows(method):
                    return route, {}
        return None

    def match_segments(self, method: str, segments: list[str]) -> tuple[Route, dict[str, str]] | None:
        """As `match`, for a path that `split_path` has split."""
        return self._root.find(method, segments, 0, ())


def _by_name(route: Route) -> str:
    return route.function.lower()


def find_conflicts(routes: Iterable[Route]) -> list[tuple[Route, Route]]:
    """Pairs (route in error, route it collides with): the same template text and a method in common.

    The function that comes later by name is the one in error. Templates of one structure with different
    parameter names are no conflict, as in Azure; the earlier function answers.
    """
    conflicts = []
    taken: dict[str, list[Route]] = {}
    for route in sorted(routes, key=_by_name):
        others = taken.setdefault(route.template.text.lower(), [])
        other = next((other for other in others if other.shares_method(route)), None)
        if other is None:
            others.append(route)
        else:
            conflicts.append((route, other))
    return conflicts


@dataclass(frozen=True, slots=True)
class OrderDifference:
    """A URL that Azure would give to another function."""

    method: str
    path: str
    #: Who answers here, being more specific.
    ours: str
    #: Who answers on Azure, being first by name.
    azure: str

    def __str__(self) -> str:
        return (
            f"{self.method} {self.path} is answered by {self.ours}, the more specific route; "
            f"Azure would choose {self.azure}, the first by name."
        )


def order_differences(routes: Iterable[Route]) -> list[OrderDifference]:
    """Pairs of functions for which Azure's order (by name, the first that matches) decides otherwise.

    Each comes with a URL that shows it. Where constraints leave no URL to be guessed, nothing is said.
    """
    found = []
    for first, second in _candidates(sorted(routes, key=_by_name)):
        method = first.shares_method(second)
        path = _common_path(first.template, second.template) if method else None
        if method is None or path is None:
            continue
        match = Router.build((first, second)).match(method, path)
        if match is not None and match[0] is second:
            found.append(OrderDifference(method, path, ours=second.function, azure=first.function))
    return found


def _candidates(routes: Sequence[Route]) -> Iterator[tuple[Route, Route]]:
    """Pairs in name order that may have a URL in common: the first takes parameters, and the heads agree.

    A head is what a template says literally before its first parameter; one must be the start of the other.
    """
    heads = [_head(route.template) for route in routes]
    below: dict[tuple[str, ...], list[int]] = {}
    for index, head in enumerate(heads):
        for length in range(len(head) + 1):
            below.setdefault(head[:length], []).append(index)
    for index, (route, head) in enumerate(zip(routes, heads, strict=True)):
        if route.template.literal:
            continue
        above = (i for n in range(len(head)) for i in below[head[:n]] if len(heads[i]) == n)
        for other in sorted([*below[head], *above]):
            if other > index:
                yield route, routes[other]


def _head(template: Template) -> tuple[str, ...]:
    literals = itertools.takewhile(lambda segment: segment.rank is Rank.LITERAL, template.segments)
    return tuple(segment.shape for segment in literals)


def _common_path(first: Template, second: Template) -> str | None:
    """A path that both match, or None when none is found."""
    longest = max(len(first.segments), len(second.segments))
    for count in range(longest + 1):
        if first.ends_at(count) and second.ends_at(count):
            texts = [_common_text(_at(first, i), _at(second, i)) for i in range(count)]
            if None not in texts:
                return "/" + "/".join(text for text in texts if text is not None)
    return None


def _at(template: Template, index: int) -> Segment:
    return template.segments[min(index, len(template.segments) - 1)]


def _common_text(first: Segment, second: Segment) -> str | None:
    for text in (*first.examples(), *second.examples()):
        if first.capture(text) is not None and second.capture(text) is not None:
            return text
    return None
