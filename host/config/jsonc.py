"""JSON as people write it: comments, trailing commas and a byte-order mark are fine; problems name their line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ...bindings.errors import ConfigurationError

KeyPath = tuple[str | int, ...]

#: Configuration is never this deep; a file that is was made to break something.
_DEEPEST = 100

_SKIP = re.compile(r"(?:\s++|//[^\n]*+|/\*.*?\*/)*+", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*+"')
_BARE = re.compile(r"[^\s,:\[\]{}\"/]++")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}


class JsonSyntaxError(ConfigurationError):
    """The text is not JSON."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read, and where its keys stand."""

    value: Any
    #: Keys that an object holds twice (compared without case).
    duplicates: tuple[KeyPath, ...] = ()
    _text: str = field(default="", repr=False)
    _offsets: dict[KeyPath, int] = field(default_factory=dict, repr=False)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of a key or array item, or of the nearest thing around it that exists; keys in any case."""
        for length in range(len(path), -1, -1):
            offset = self._offsets.get(fold_path(path[:length]))
            if offset is not None:
                return self._text.count("\n", 0, offset) + 1
        return None


def loads(text: str | bytes) -> Document:
    """Read a text; of two keys that are the same the last counts. Raises `JsonSyntaxError`."""
    return _Scanner(_decode(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")).document()


def _decode(content: bytes) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise JsonSyntaxError("The file is not UTF-8 text.", line, 1) from None


def fold_path(path: KeyPath) -> KeyPath:
    """The key path as it is compared: in lower case."""
    return tuple(part.lower() if isinstance(part, str) else part for part in path)


class _Scanner:
    """Reads one text from left to right and notes where each key stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.offsets: dict[KeyPath, int] = {}
        self.duplicates: list[KeyPath] = []

    def document(self) -> Document:
        value = self.read_value(())
        if self.peek():
            self.fail("Unexpected text after the end of the value")
        return Document(value, tuple(self.duplicates), self.text, self.offsets)

    def peek(self) -> str:
        """The next character that means something; empty at the end."""
        found = _SKIP.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def read_value(self, path: KeyPath) -> Any:
        start = self.peek()
        self.offsets.setdefault(path, self.at)
        if len(path) > _DEEPEST:
            self.fail(f"The values are nested more than {_DEEPEST} deep")
        if start == "{":
            return self.read_object(path)
        if start == "[":
            return self.read_array(path)
        return self.read_string() if start == '"' else self.read_bare()

    def read_object(self, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while self.peek() != "}":
            if self.peek() != '"':
                self.fail("Expected a key in double quotes or a closing }")
            start, key = self.at, self.read_string()
            inner = (*path, key.lower())
            if inner in self.offsets:
                self.duplicates.append((*path, key))
            self.offsets[inner] = start
            if self.peek() != ":":
                self.fail(f'Expected a colon after the key "{key}"')
            self.at += 1
            found[key] = self.read_value(inner)
            self.read_comma("}", f'the value of "{key}"')
        self.at += 1
        return found

    def read_array(self, path: KeyPath) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while self.peek() != "]":
            found.append(self.read_value((*path, len(found))))
            self.read_comma("]", "a list item")
        self.at += 1
        return found

    def read_comma(self, closing: str, after: str) -> None:
        if self.peek() == ",":
            self.at += 1
        elif self.peek() != closing:
            self.fail(f"Expected a comma or a closing {closing} after {after}")

    def read_string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            self.fail("A string has no closing double quote on its line")
        try:
            value = found[0][1:-1] if "\\" not in found[0] else json.loads(found[0], strict=False)
        except ValueError:
            self.fail('A backslash in a string means nothing here (one backslash is written "\\\\")')
        self.at = found.end()
        return str(value)

    def read_bare(self) -> Any:
        found = _BARE.match(self.text, self.at)
        word = found[0] if found else ""
        if word in _CONSTANTS:
            value = _CONSTANTS[word]
        elif _NUMBER.fullmatch(word) and len(word) < 400:
            value = json.loads(word)
        else:
            self.fail(self.why_not(word))
        self.at += len(word)
        return value

    def why_not(self, word: str) -> str:
        if self.at >= len(self.text):
            return "The file ends too early"
        if self.text.startswith("/*", self.at):
            return "A comment has no closing */"
        if word.startswith("'"):
            return "Strings need double quotes, not single ones"
        return f"Expected a value, not '{word or self.text[self.at]}'"

    def fail(self, message: str) -> NoReturn:
        if self.at >= len(self.text):
            message = "The file ends too early" if self.text.strip() else "The file is empty"
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - (self.text.rfind("\n", 0, self.at) + 1) + 1
        raise JsonSyntaxError(f"{message} (line {line}, column {column}).", line, column)
