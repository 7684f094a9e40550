"""function.json, host.json and local.settings.json that hold anything: problems are told, and nothing is raised."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from fuzz.fuzzing import INTERNALS, examples
from hypothesis import given
from hypothesis import strategies as st

from funchost.host.app.discovery import Discovery
from funchost.host.configuration import Configuration, HostOptions
from funchost.triggers.descriptor import Problem

_SCHEMAS = Path(__file__).parents[2] / "host" / "app"

_FUNCTION = {
    "bindings": [
        {"type": "queueTrigger", "name": "msg", "queueName": "jobs", "direction": "in"},
        {"type": "blob", "name": "out", "direction": "out", "path": "c/{id}.txt"},
        {"type": "http", "name": "$return", "direction": "out"},
    ],
    "retry": {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "00:00:01"},
    "singleton": {"scope": "{id}"},
}
_HTTP = {"bindings": [{"type": "httpTrigger", "name": "req", "route": "a/{b:int}", "methods": ["get"]}]}
_TIMER = {"bindings": [{"type": "timerTrigger", "name": "t", "schedule": "0 */5 * * * *"}]}
_HOST = {
    "version": "2.0",
    "functionTimeout": "00:05:00",
    "logging": {"logLevel": {"default": "Information"}},
    "extensions": {"queues": {"batchSize": 8}, "http": {"routePrefix": "api", "customHeaders": {"A": "b"}}},
}
_LOCAL = {
    "IsEncrypted": False,
    "Values": {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "FUNCTIONS_WORKER_RUNTIME": "python"},
    "ConnectionStrings": {"db": {"ConnectionString": "x"}},
    "Host": {"LocalHttpPort": 7071, "CORS": "*"},
}

_FILES = ("host.json", "local.settings.json", "f/function.json", "g/function.json")


def names_in(schema: Any) -> Iterable[str]:
    """Every key and every fixed value that a schema knows."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("properties", "definitions", "$defs") and isinstance(value, dict):
                yield from value
            if key in ("enum", "const"):
                yield from (each for each in (value if key == "enum" else [value]) if isinstance(each, str))
            yield from names_in(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from names_in(each)


_NAMES = sorted(
    {name for path in _SCHEMAS.glob("*.schema.json") for name in names_in(json.loads(path.read_text()))}
)
_texts = st.one_of(
    st.sampled_from(_NAMES),
    st.sampled_from(
        ("", " ", "%A%", "%", "{", "}", "{a}", "{a.b.c}", "{*r}", "{a:int:b(}", "../../x", "/", "00:00:99", "-1", "1e400",
         "9" * 60, "\x00", "\r\nX: y", "\ud800", "é" * 300, "0 0 0 31 2 *", "* * * * * * *", "@hourly", "P1D", "[(+*",
         "a/{x:regex((a+)+$)}", "http://[", "AccountKey=;;=", "99999.00:00:00", "NaN", "true", "$return")
    ),
    st.text(max_size=20),
)  # fmt: skip
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    _texts,
    st.sampled_from((2**63, -(2**80), 10**400, 1e308)),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=5)),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A document that is right but for a few places, or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(_values)
    document = json.loads(json.dumps(draw(st.sampled_from((_FUNCTION, _HTTP, _TIMER, _HOST, _LOCAL)))))
    for _ in range(draw(st.integers(0, 4))):
        change(draw, document)
    return document


def change(draw: st.DrawFn, document: Any) -> None:
    """Put something else into one place of a document."""
    place = document
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            place[key] = draw(_values)
            break
        place = place[key]
    if isinstance(place, dict):
        place[draw(_texts)] = draw(_values)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """What a file may hold: a document as somebody or something wrote it, whole or not."""
    text = json.dumps(draw(documents()), ensure_ascii=draw(st.booleans()))
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1")))
    content = text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 3)))):
        at = draw(st.integers(0, len(content)))
        piece = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from(
                    (b"//", b"/*", b"*/", b"\n", b",", b"{", b"}", b'"', b"\\u", b"\x00", b"\xff")
                ),
            )
        )
        content = content[:at] + piece + content[at + draw(st.integers(0, 5)) :]
    return content


def found(root: Path) -> tuple[Discovery, list[Problem]]:
    """What a host makes of an app."""
    configuration = Configuration(HostOptions(root=root, environ={}))
    discovery = configuration.finder.find()
    problems = [*configuration.settings.problems, *discovery.problems]
    assert configuration.port >= 0
    assert configuration.worker_count >= 1
    assert configuration.worker_settings.environment is not None
    for problem in problems:
        assert problem.message
        told = " ".join(map(str, (problem.message, problem.file, problem.key, problem.fix)))
        assert not INTERNALS.search(told.encode("utf-8", "replace")), told
    return discovery, problems


@given(st.lists(st.tuples(st.sampled_from(_FILES), contents()), min_size=1, max_size=4))
@examples(150)
def test_whatever_the_files_of_an_app_hold_is_told_and_never_raised(files: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("f", "g"):
            (root / name).mkdir()
            (root / name / "__init__.py").write_text("def main(msg): pass\n")
        for name, content in files:
            (root / name).write_bytes(content)
        found(root)


_HUGE = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"bindings":' * 50_000,
    "a long number": b'{"version": ' + b"9" * 200_000 + b"}",
    "a small number": b'{"version": 1e-' + b"9" * 200 + b"}",
    "a long key": b'{"' + b"a" * 1_000_000 + b'": 1}',
    "many keys": b"{" + b",".join(b'"k%d": 1' % number for number in range(2_000)) + b"}",
    "many doubles": b"{" + b",".join([b'"k": 1'] * 2_000) + b"}",
    "many bindings": b'{"bindings": [' + b",".join([b'{"type": "nothing"}'] * 500) + b"]}",
    "many comments": b"/* */" * 100_000 + b"{}",
    "an open comment": b"/*" * 100_000,
    "many backslashes": b'{"a": "' + b"\\\\" * 200_000 + b'"}',
    "only blanks": b" \n" * 500_000,
    "nothing": b"",
    "NUL": b"\x00" * 1000,
    "half a code unit": b"\xff\xfe{",
    "no Unicode": b'{"version": "\xff\xfe"}',
    "a half pair": b'{"version": "\\ud800"}',
}


@pytest.mark.parametrize("file", ["host.json", "local.settings.json", "f/function.json"])
@pytest.mark.parametrize("name", _HUGE)
def test_files_made_to_break_a_reader_are_read_in_no_time(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / file).write_bytes(_HUGE[name])
    began = os.times()
    _, problems = found(tmp_path)
    ended = os.times()
    assert problems or name == "many comments"
    assert len(problems) < 25_000
    assert (ended.user - began.user) < 5


@pytest.mark.parametrize("file", ["host.json", "local.settings.json", "f/function.json"])
@pytest.mark.parametrize("kind", ["folder", "loop", "pipe", "device", "nowhere", "unreadable"])
def test_what_is_no_file_is_told(tmp_path: Path, file: str, kind: str) -> None:
    (tmp_path / "f").mkdir()
    path = tmp_path / file
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "nowhere":
        path.symlink_to(tmp_path / "nothing")
    else:
        path.write_bytes(b"{}")
        path.chmod(0)
    _, problems = found(tmp_path)
    # To root everything is readable, and a link that leads to nothing is nothing.
    absent = kind in ("loop", "nowhere") and file != "f/function.json"
    assert kind == "unreadable" or absent or file in [problem.file for problem in problems]
    assert {problem.file for problem in problems} <= {file}


def test_a_link_that_leads_to_itself_takes_nothing_else_out(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "__init__.py").write_text("def main(t): pass\n")
    (tmp_path / "f" / "function.json").write_text(json.dumps(_TIMER))
    discovery, problems = found(tmp_path)
    assert [function.name for function in discovery.functions] == ["f"]
    assert problems == []
