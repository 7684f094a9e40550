"""Routes of the admin API: which one a path means, what a query says, pages, and the document of all of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from multidict import MultiDict
from openapi_spec_validator import validate

from funchost.bindings.errors import BindingError
from funchost.host.admin.openapi import document, files
from funchost.host.admin.paging import Page, Paged, mark, page_of_all, read_mark
from funchost.host.admin.query import read_query
from funchost.host.admin.routes import Route, Router
from funchost.host.admin.table import ROUTES


async def answer(call: object) -> tuple[int, Any]:
    return 200, None


def route(path: str, method: str = "GET", **more: Any) -> Route:
    return Route(method=method, path=path, handler=answer, summary="", **more)


class Asked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: tuple[str, ...] = ()
    flag: bool = False
    share: float | None = None


# -- paths


@pytest.mark.parametrize(
    ("path", "wanted", "names"),
    [
        ("runs", "runs", {}),
        ("RUNS/", "runs", {}),
        ("runs/Live", "runs/live", {}),
        ("runs/a", "runs/{id}", {"id": "a"}),
        ("runs//log", "runs/{id}/log", {"id": ""}),
        ("blobs/inbox", "blobs/{box}", {"box": "inbox"}),
        ("blobs/inbox/", "blobs/{box}", {"box": "inbox"}),
        ("blobs/inbox/a", "blobs/{box}/{name...}", {"box": "inbox", "name": "a"}),
        ("blobs/inbox/a//b/", "blobs/{box}/{name...}", {"box": "inbox", "name": "a//b/"}),
    ],
)
def test_a_path_means_the_place_whose_words_it_has(path: str, wanted: str, names: dict[str, str]) -> None:
    known = ["runs/{id}", "runs/{id}/log", "blobs/{box}/{name...}", "runs", "runs/live", "blobs/{box}"]
    found = Router([route(one) for one in known]).find(path.split("/"))
    assert found is not None
    assert (found[0].routes["GET"].path, found[1]) == (wanted, names)


@pytest.mark.parametrize("path", ["", "/", "run", "runs/a/b/c", "blobs", "runs/a/log/b"])
def test_a_path_that_is_none_is_found_nowhere(path: str) -> None:
    assert Router([route("runs"), route("runs/{id}/log"), route("blobs/{box}")]).find(path.split("/")) is None


# -- queries


def test_parameters_are_read_into_the_model() -> None:
    query = read_query(
        MultiDict([("name", "a"), ("name", "b"), ("flag", ""), ("limit", "7"), ("code", "k")]), Asked
    )
    assert query == Asked(name=("a", "b"), flag=True, limit=7)
    assert read_query(MultiDict(share="0.5", flag="false"), Asked) == Asked(share=0.5)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ([("nam", "a")], "There is no parameter 'nam' here. Did you mean 'name'?"),
        ([("zzz", "a")], "There is no parameter 'zzz' here. There are: limit, next, name, flag, share."),
        ([("limit", "1"), ("limit", "2")], "The parameter 'limit' may be given once."),
        ([("limit", "1001")], "The parameter 'limit' cannot be '1001': expected `int` <= 1000."),
        ([("share", "x" * 100)], f"The parameter 'share' cannot be '{'x' * 60}…'"),
    ],
)
def test_a_parameter_that_is_wrong_is_told(query: list[tuple[str, str]], reason: str) -> None:
    with pytest.raises(BindingError) as error:
        read_query(MultiDict(query), Asked)
    assert str(error.value).startswith(reason)


def test_where_others_do_not_matter_they_are_passed_over() -> None:
    assert read_query(MultiDict(other="x"), Asked, lenient=True) == Asked()


# -- pages


def test_a_mark_is_read_back_and_anything_else_is_refused() -> None:
    for text in ("", "a", "container/name", "é\udcff", "x" * 5000):
        assert read_mark(mark(text)) == text
    for made_up in ("", "a", "!!!!", "é", mark("a")[:-1], mark("a") + "A", "AAAAAAAA"):
        with pytest.raises(BindingError):
            read_mark(made_up)


@pytest.mark.parametrize("backwards", [False, True])
def test_pages_have_each_item_once(backwards: bool) -> None:
    items, seen, after = ["d", "b", "a", "e", "c"], [], None
    while True:
        asked = Paged(limit=2, next=after)
        page = page_of_all(items, asked, str, str, backwards=backwards)
        assert len(page["items"]) <= 2
        seen += page["items"]
        if (after := page["next"]) is None:
            break
    assert seen == sorted(items, reverse=backwards)


def test_the_model_of_a_page_is_what_a_page_is() -> None:
    page = page_of_all(["a"], Paged(), str, str)
    assert msgspec.convert(page, Page[str]) == Page(["a"], None)


# -- the document


def test_the_shipped_document_is_that_of_the_routes() -> None:
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m funchost.host.admin.openapi"


def test_the_document_is_good_openapi_and_has_every_route() -> None:
    made = document(ROUTES)
    validate(made)
    operations = [(method, path) for path, methods in made["paths"].items() for method in methods]
    assert len(operations) == len(ROUTES)
    assert len({made["paths"][path][method]["operationId"] for method, path in operations}) == len(ROUTES)


def test_every_route_that_changes_something_tells_who_may_not() -> None:
    paths = document(ROUTES)["paths"]
    for place in ROUTES:
        if not place.is_public:
            path = "/admin/" + place.path.replace("...", "")
            assert {"401", "403", "503"} <= paths[path][place.method.lower()]["responses"].keys()
