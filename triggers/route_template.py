"""Route templates in ASP.NET's grammar, such as ``orders/{id:int}/{*rest}``, read once and matched by segment."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from .route_constraints import Constraint, RouteError, make_constraint

#: A parameter, a separator, or literal text; doubled braces stand for themselves.
_PART = re.compile(r"\{(?!\{)(?P<inner>(?:[^{}]|\{\{|\}\})*)\}|(?P<slash>/)|(?P<text>(?:[^{}/]|\{\{|\}\})+)")
_PARAMETER = re.compile(r"(?P<stars>\*{0,2})(?P<name>[^:=?*{}/]*)(?P<rest>.*)", re.DOTALL)
#: Arguments end at the first parenthesis that can be their last.
_CONSTRAINT = re.compile(r":([A-Za-z]+)(?:\((.*?)\)(?=[:=]|$))?", re.DOTALL)


class Rank(enum.IntEnum):
    """How specific a segment is; the smaller wins."""

    #: The template ends here.
    END = 0
    LITERAL = 1
    #: A parameter with constraints, or several parts in one segment.
    CONSTRAINED = 2
    PARAMETER = 3
    CONSTRAINED_CATCH_ALL = 4
    CATCH_ALL = 5


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``{…}`` of a template."""

    name: str
    constraints: tuple[Constraint, ...] = ()
    default: str | None = None
    optional: bool = False
    catch_all: bool = False

    def accepts(self, value: str) -> bool:
        """Whether all constraints hold."""
        return all(constraint.accepts(value) for constraint in self.constraints)

    @property
    def can_be_absent(self) -> bool:
        """Whether a URL may end before it."""
        if self.catch_all:
            return self.default is not None or self.accepts("")
        return self.optional or self.default is not None

    def examples(self) -> list[str]:
        """Values to try when a URL is to be shown; the first that fits all constraints is as good as any."""
        found = [constraint.example for constraint in self.constraints]
        return [*(example for example in found if example), "1", "a", "true"]


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two slashes of a template."""

    parts: tuple[str | Parameter, ...]
    rank: Rank
    #: Equal for two segments that take the same texts, whatever their parameters are called.
    shape: str
    #: For a segment of several parts.
    pattern: re.Pattern[str] | None = None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, from left to right."""
        return tuple(part for part in self.parts if isinstance(part, Parameter))

    @property
    def conditions(self) -> int:
        """How many constraints it has."""
        return sum(len(parameter.constraints) for parameter in self.parameters)

    @property
    def catch_all(self) -> bool:
        """Whether it takes all the rest of a URL."""
        return self.rank >= Rank.CONSTRAINED_CATCH_ALL

    @property
    def can_be_absent(self) -> bool:
        """Whether a URL may end before it."""
        return (
            len(self.parts) == 1 and all(p.can_be_absent for p in self.parameters) and bool(self.parameters)
        )

    def capture(self, text: str) -> tuple[str | None, ...] | None:
        """The values of its parameters when it matches this text of a URL, else None."""
        if self.rank is Rank.LITERAL:
            return () if text.lower() == self.shape else None
        if self.pattern is None:
            (parameter,) = self.parameters
            return (text,) if text and parameter.accepts(text) else None
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        values = match.groups()
        fits = all(v is None or p.accepts(v) for p, v in zip(self.parameters, values, strict=True))
        return values if fits else None

    def examples(self) -> list[str]:
        """Texts that it may match."""
        if len(self.parts) == 1:
            (part,) = self.parts
            return [part] if isinstance(part, str) else part.examples()
        return ["".join(part if isinstance(part, str) else part.examples()[0] for part in self.parts)]


@dataclass(frozen=True, slots=True)
class Template:
    """A route template, checked."""

    #: Without slashes at its ends.
    text: str
    segments: tuple[Segment, ...]
    #: Names of the parameters, from left to right.
    parameters: tuple[Parameter, ...]

    @property
    def literal(self) -> bool:
        """Whether it has no parameter at all."""
        return not self.parameters

    def ends_at(self, count: int) -> bool:
        """Whether a URL of so many segments can match, as far as their number goes."""
        if count > len(self.segments):
            return bool(self.segments) and self.segments[-1].catch_all
        return all(segment.can_be_absent for segment in self.segments[count:])


def parse_template(text: str) -> Template:
    """Read a template; raises `RouteError` with one sentence for people."""
    trimmed = text.strip().removeprefix("~").strip("/")
    segments = tuple(_segment(trimmed, parts) for parts in _split(trimmed))
    parameters = tuple(p for segment in segments for p in segment.parameters)
    for segment in segments[:-1]:
        if segment.catch_all:
            raise RouteError(f"The route '{trimmed}' goes on after a catch-all; '{{*…}}' must come last.")
    names = [parameter.name.lower() for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise RouteError(f"The route '{trimmed}' has two parameters called '{name}'; rename one.")
    return Template(trimmed, segments, parameters)


def _split(template: str) -> list[list[str | Parameter]]:
    """The parts of each segment."""
    segments: list[list[str | Parameter]] = [[]] if template else []
    position = 0
    while position < len(template):
        match = _PART.match(template, position)
        if match is None:
            raise RouteError(f"The route '{template}' has an unmatched brace at {position + 1}.")
        position = match.end()
        if match["slash"]:
            segments.append([])
        elif match["text"] is not None:
            segments[-1].append(_literal(template, match["text"]))
        else:
            segments[-1].append(_parameter(template, match["inner"]))
    return segments


def _literal(template: str, text: str) -> str:
    if "?" in text:
        raise RouteError(
            f"The route '{template}' has a '?' outside of a parameter; a query is not part of a route."
        )
    return _unescape(text)


def _unescape(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


def _parameter(template: str, inner: str) -> Parameter:
    optional = inner.endswith("?")
    match = _PARAMETER.fullmatch(inner.removesuffix("?"))
    if match is None or not match["name"].strip():
        raise RouteError(f"The route '{template}' has a parameter without a usable name: '{{{inner}}}'.")
    constraints, rest = _constraints(_unescape(match["rest"]))
    if rest and not rest.startswith("="):
        raise RouteError(f"In the route '{template}' the parameter '{{{inner}}}' cannot be read at '{rest}'.")
    default = rest[1:] if rest else None
    if optional and default is not None:
        raise RouteError(f"The parameter '{{{inner}}}' is optional and has a default; keep one of the two.")
    if optional and match["stars"]:
        raise RouteError(f"The catch-all '{{{inner}}}' may be empty anyway; leave the '?' out.")
    return Parameter(match["name"].strip(), constraints, default, optional, bool(match["stars"]))


def _constraints(text: str) -> tuple[tuple[Constraint, ...], str]:
    """The constraints at the start of a text, and what follows them."""
    found = []
    position = 0
    while match := _CONSTRAINT.match(text, position):
        found.append(make_constraint(match[1], match[2]))
        position = match.end()
    return tuple(found), text[position:]


def _segment(template: str, parts: list[str | Parameter]) -> Segment:
    if not parts:
        raise RouteError(f"The route '{template}' has an empty segment; remove the doubled slash.")
    if len(parts) > 1:
        return _complex(template, parts)
    (part,) = parts
    if isinstance(part, str):
        return Segment((part,), Rank.LITERAL, part.lower())
    shape = ":".join(constraint.text for constraint in part.constraints)
    if part.catch_all:
        return Segment((part,), Rank.CONSTRAINED_CATCH_ALL if shape else Rank.CATCH_ALL, shape)
    return Segment((part,), Rank.CONSTRAINED if shape else Rank.PARAMETER, shape)


def _complex(template: str, parts: list[str | Parameter]) -> Segment:
    """A segment of several parts, such as ``{name}.{extension?}``; the left ones take as much as they can."""
    expression = shape = ""
    for index, part in enumerate(parts):
        if isinstance(part, str):
            expression += re.escape(part)
            shape += part.lower()
            continue
        _check_neighbours(template, parts, index)
        shape += "{" + ":".join(constraint.text for constraint in part.constraints) + "}"
        if part.optional:
            # The separator goes when the value does, and a value never holds the separator.
            shape += "?"
            expression = expression.removesuffix(re.escape(".")).replace("(.+)", "(.+?)")
            expression += r"(?:\.([^.]+))?"
        else:
            expression += "(.+)"
    return Segment(tuple(parts), Rank.CONSTRAINED, shape, re.compile(expression, re.IGNORECASE | re.DOTALL))


def _check_neighbours(template: str, parts: list[str | Parameter], index: int) -> None:
    parameter = parts[index]
    assert isinstance(parameter, Parameter)
    before = parts[index - 1] if index else ""
    if isinstance(before, Parameter):
        raise RouteError(f"The route '{template}' needs some text between two parameters of one segment.")
    if parameter.catch_all:
        raise RouteError(f"In the route '{template}' a catch-all must be a segment of its own.")
    if parameter.default is not None:
        raise RouteError(f"In the route '{template}' a default needs a segment of its own.")
    if parameter.optional and (index != len(parts) - 1 or not before.endswith(".")):
        raise RouteError(
            f"In the route '{template}' an optional parameter beside text must come last, after a dot."
        )
