"""OData filters, as far as Azure Tables knows them: `Age ge 18 and not (Name eq 'Ada')`.

Comparisons with eq, ne, gt, ge, lt and le, joined by and, or, not and parentheses. Literals are texts, numbers, true,
false, datetime'…', guid'…', X'…' and binary'…'. A property that an entity has not makes every comparison with it false.
"""

from __future__ import annotations

import base64
import operator
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from .errors import BindingError
from .table import Predicate

#: Parentheses and negations inside each other.
MAX_DEPTH = 100

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<typed>(?:datetime|guid|binary|X)'(?:[^']|'')*')
      | (?P<text>'(?:[^']|'')*')
      | (?P<number>[+-]?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?[LlFfDd]?(?![\w.]))
      | (?P<name>[^\W\d]\w*)
      | (?P<mark>[()])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_WORDS = frozenset([*_COMPARISONS, "and", "or", "not", "null"])

#: A literal's or a property's value for one entity.
_Operand = Callable[[Mapping[str, Any]], Any]


class FilterError(BindingError):
    """A filter cannot be read."""


def parse_filter(text: str) -> Predicate:
    """What tells the entities that the filter wants. Raises `FilterError`, and nothing else."""
    return _Parser(text).parse()


class _Parser:
    """Reads from the loosest to the tightest: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._depth = 0
        self._next()

    def parse(self) -> Predicate:
        wanted = self._any()
        if self._kind != "end":
            self._fail("expected 'and' or 'or'")
        return wanted

    def _split(self) -> Iterator[tuple[int, str, str]]:
        place = 0
        while True:
            token = _TOKEN.match(self._text, place)
            if token is None:
                self._at = place
                self._fail("there is something that no filter holds")
            kind = token.lastgroup or ""
            yield token.start(kind), kind, token[kind]
            place = token.end()

    def _next(self) -> None:
        self._at, self._kind, self._token = next(self._tokens)

    def _taken(self, word: str) -> bool:
        """Whether the next token is this word or mark, which is then used up."""
        found = self._token == word and self._kind in ("name", "mark")
        if found:
            self._next()
        return found

    def _any(self) -> Predicate:
        return self._joined("or", self._all, any)

    def _all(self) -> Predicate:
        return self._joined("and", self._one, all)

    def _joined(
        self, word: str, read: Callable[[], Predicate], join: Callable[[Iterable[bool]], bool]
    ) -> Predicate:
        parts = [read()]
        while self._taken(word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else lambda entity: join(part(entity) for part in parts)

    def _one(self) -> Predicate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} parentheses and negations are nested")
        condition = self._negated_or_grouped() or self._comparison()
        self._depth -= 1
        return condition

    def _negated_or_grouped(self) -> Predicate | None:
        if self._taken("not"):
            inner = self._one()
            return lambda entity: not inner(entity)
        if self._taken("("):
            inner = self._any()
            if not self._taken(")"):
                self._fail("expected ')'")
            return inner
        return None

    def _comparison(self) -> Predicate:
        left = self._operand()
        compare = _COMPARISONS.get(self._token) if self._kind == "name" else None
        if compare is None:
            return lambda entity: left(entity) is True
        self._next()
        right = self._operand()
        return lambda entity: _holds(compare, left(entity), right(entity))

    def _operand(self) -> _Operand:
        kind, token = self._kind, self._token
        if kind in ("mark", "end") or token in _WORDS:
            self._fail("expected a property or a value")
        if kind == "name" and token not in ("true", "false"):
            self._next()
            if self._token == "(":
                self._fail(f"'{token}' is called, and tables know no functions")
            return lambda entity: entity.get(token)
        try:
            value = _literal(kind, token)
        except (ValueError, OverflowError):
            self._fail(f"{token} is not a value")
        self._next()
        return lambda entity: value

    def _fail(self, what: str) -> NoReturn:
        found = self._text[self._at : self._at + 20] or "its end"
        raise FilterError(f"The filter cannot be read: {what} at character {self._at + 1} ({found}).")


def _literal(kind: str, token: str) -> Any:
    """The value of a literal; raises `ValueError` or `OverflowError`."""
    if kind == "text":
        return token[1:-1].replace("''", "'")
    if kind == "name":
        return token == "true"
    if kind == "number":
        digits = token.rstrip("LlFfDd")
        return int(digits) if digits.lstrip("+-").isdigit() else float(digits)
    prefix, text = token[:-1].split("'", 1)
    if prefix == "datetime":
        return _moment(text)
    return uuid.UUID(text) if prefix == "guid" else bytes.fromhex(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _holds(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    left, right = _as_the_type_of(right, left), _as_the_type_of(left, right)
    if _family(left) is not _family(right):
        return compare is operator.ne
    return compare(left, right)


def _family(value: Any) -> type:
    """The type, all numbers counted as one."""
    return float if type(value) is int else type(value)


def _as_the_type_of(model: Any, value: Any) -> Any:
    """A text read as the type of what it is compared with: JSON knows no moments, GUIDs and bytes."""
    if not isinstance(value, str) or type(model) not in _READERS:
        return value
    try:
        return _READERS[type(model)](value)
    except (ValueError, OverflowError):
        return value


_READERS: Mapping[type, Callable[[str], Any]] = {
    datetime: _moment,
    uuid.UUID: uuid.UUID,
    bytes: lambda text: base64.b64decode(text, validate=True),
}
