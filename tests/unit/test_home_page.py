"""The home page: what it tells to whom, and that nothing in it is taken for HTML."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from funchost.host.admin.home_page import home_page
from funchost.host.served_function import FunctionStatus
from funchost.triggers.descriptor import Problem

EVIL = "<script>alert('x')</script>"


def page(*functions: FunctionStatus, **more: Any) -> str:
    """The page of a host with these functions, none of them served over HTTP."""
    options = {"root": Path("/home/ada/orders"), "keys": False, "problems": [], "draining": False}
    options |= {"local": True, "host": "localhost:7071", "origin": "http://localhost:7071", **more}
    host = SimpleNamespace(
        configuration=SimpleNamespace(
            root=options["root"], asks_for_keys=options["keys"], is_local=options["local"]
        ),
        availability=SimpleNamespace(draining=options["draining"], explained=lambda one: one),
        functions=SimpleNamespace(status=lambda: list(functions), get=lambda name: None),
        problems=options["problems"],
        state="Running",
        version="1.2.3",
        url="http://localhost:7071",
    )
    headers = {"Host": str(options["host"]), "Origin": str(options["origin"])}
    return home_page(cast(Any, host), headers).decode()


def status(name: str = "work", **more: Any) -> FunctionStatus:
    fields = {"trigger": "queueTrigger", "where": "queue jobs", "state": "listening", **more}
    return FunctionStatus(name=name, **fields)


def test_a_developer_sees_the_app_its_functions_and_their_state() -> None:
    shown = page(status(), status("tick", trigger="timerTrigger", where="next 12:00", state="ready"))

    for text in ("<h1>orders</h1>", "1.2.3", "Running", ">work<", ">queue<", "queue jobs", "next 12:00"):
        assert text in shown
    assert "funchost run work" in shown
    assert "funchost run work" in page(status("bad;name", errors=("no name",)), status())
    assert "To be fixed" not in shown


def test_an_app_without_functions_is_told_how_to_make_one() -> None:
    assert "funchost new hello --trigger http" in page()


def test_problems_are_shown_with_their_place_and_the_way_to_mend_them() -> None:
    problem = Problem("The queue has no name.", "work/function.json", "bindings[0].queueName", 3, "Name it.")
    shown = page(problems=[problem])

    for text in ("To be fixed", "no name.", "work/function.json:3", "bindings[0].queueName", "Name it."):
        assert text in shown


def test_a_traceback_is_left_to_the_log() -> None:
    shown = page(
        status(state="in error", errors=("ValueError: no\nTraceback: line 1",)),
        problems=[Problem("It does not load: ValueError: no\nTraceback: line 1")],
    )

    assert shown.count("ValueError: no") == 2
    assert "Traceback" not in shown


def test_values_of_the_app_are_never_html() -> None:
    shown = page(
        status(EVIL, trigger=EVIL, where=EVIL, state=EVIL, errors=(EVIL,)),
        root=Path("/home/ada/<script>alert('x')"),
        problems=[Problem(EVIL, EVIL, EVIL, 1, EVIL, severity=EVIL)],
    )

    assert "<script" not in shown
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in shown


def test_file_names_that_are_no_unicode_can_be_shown() -> None:
    assert "work?" in page(status("work\udcff"))


@pytest.mark.parametrize(
    "more",
    [
        {"keys": True},
        {"local": False},
        {"host": "rebound.example:7071"},
        {"origin": "https://elsewhere.example"},
    ],
)
def test_to_others_than_a_developer_the_page_tells_nothing_of_the_app(more: dict[str, Any]) -> None:
    shown = page(status("secret-work"), problems=[Problem("A secret problem")], **more)

    assert "funchost is running" in shown
    for text in ("secret", "orders", "1.2.3", "/admin"):
        assert text not in shown


def test_a_host_that_drains_says_so() -> None:
    assert "Draining" in page(draining=True)


def test_the_page_loads_nothing_from_elsewhere() -> None:
    shown = page(status())

    assert "<script" not in shown
    assert "src=" not in shown
    assert "<link" not in shown
    assert "url(" not in shown
