"""Route templates and the router: functions-semantics 8.2, and funchost's rule that the most specific wins."""

from __future__ import annotations

import pytest

from funchost.triggers.routes import Route, RouteError, Router, find_conflicts, order_differences


def matched(template: str, path: str) -> dict[str, str] | None:
    """The parameters with which one template matches a path."""
    found = Router.build([Route.parse("F", template)]).match("GET", path)
    return None if found is None else found[1]


def chosen(path: str, method: str = "GET", **templates: str) -> str | None:
    """The function that gets a path, of several with one template each."""
    found = Router.build(Route.parse(name, text) for name, text in templates.items()).match(method, path)
    return None if found is None else found[0].function


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("api/hello", "/api/hello", {}),
        ("/api/hello/", "/api/hello", {}),
        ("api/hello", "/API/Hello/", {}),
        ("api/hello", "/api/h%65llo", {}),
        ("api/hello", "/api/x/../hello", {}),
        ("api/hello", "/api/./hello", {}),
        ("", "/", {}),
        ("orders/{id}", "/orders/7", {"id": "7"}),
        ("orders/{id}", "/orders/a%20b", {"id": "a b"}),
        ("orders/{id}", "/orders/a%2Fb", {"id": "a%2Fb"}),
        ("orders/{id}", "/orders/%C3%A9", {"id": "é"}),
        ("orders/{id?}", "/orders", {}),
        ("orders/{id?}", "/orders/7", {"id": "7"}),
        ("orders/{id=9}", "/orders", {"id": "9"}),
        ("orders/{id=9}", "/orders/7", {"id": "7"}),
        ("{a=1}/{b=2}", "/", {"a": "1", "b": "2"}),
        ("files/{*rest}", "/files/a/b/c.txt", {"rest": "a/b/c.txt"}),
        ("files/{**rest}", "/files/a/b", {"rest": "a/b"}),
        ("files/{*rest}", "/files", {}),
        ("files/{*rest=index}", "/files", {"rest": "index"}),
        ("{name}.{ext}", "/a.b.c", {"name": "a.b", "ext": "c"}),
        ("{name}.{ext?}", "/a.b", {"name": "a", "ext": "b"}),
        ("{name}.{ext?}", "/a", {"name": "a"}),
        ("v{major:int}-{minor:int}", "/V1-2", {"major": "1", "minor": "2"}),
        ("a{{b}}", "/a{b}", {}),
    ],
)
def test_a_template_matches_and_captures(template: str, path: str, params: dict[str, str]) -> None:
    assert matched(template, path) == params


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("api/hello", "/api"),
        ("api/hello", "/api/hello/more"),
        ("api/hello", "/api//hello"),
        ("orders/{id}", "/orders"),
        ("orders/{id}", "/orders//"),
        ("orders/{id}/lines", "/orders/7"),
        ("{a?}/b", "/b"),
        ("files/{*rest:required}", "/files"),
        ("{name}.{ext}", "/a"),
        ("v{major:int}", "/vx"),
        ("files/{name}", "/files/../etc"),
    ],
)
def test_a_template_refuses_a_path(template: str, path: str) -> None:
    assert matched(template, path) is None


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", ["7", "-7", "2147483647"], ["2147483648", "x", "1.5"]),
        ("long", ["9223372036854775807"], ["9223372036854775808"]),
        ("bool", ["true", "FALSE"], ["yes"]),
        ("datetime", ["2025-01-31", "2025-01-31T10:00:00", "2016-12-31 7:32pm"], ["31", "2025-13-01"]),
        ("decimal", ["1.5", "-1,000.25", ".5"], ["1e5", "x"]),
        ("double", ["1e5", "1.5"], ["x"]),
        ("float", ["-1.5", "Infinity"], ["1.5.5"]),
        ("guid", ["CD2C1638-1638-72D5-1638-DEADBEEF1638", "cd2c1638163872d51638deadbeef1638"], ["cd2c"]),
        ("minlength(3)", ["abc"], ["ab"]),
        ("maxlength(3)", ["abc"], ["abcd"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("min(18)", ["18", "99"], ["17", "x"]),
        ("max(18)", ["18", "-1"], ["19"]),
        ("range(1,5)", ["1", "5"], ["0", "6"]),
        ("alpha", ["abC"], ["a1"]),
        (r"regex(^\d{{3}}$)", ["123"], ["12", "1234"]),
        ("required", ["x"], []),
        ("int:min(3)", ["3"], ["2", "x"]),
        ("INT", ["3"], ["x"]),
    ],
)
def test_a_constraint_filters(constraint: str, good: list[str], bad: list[str]) -> None:
    template = "{p:" + constraint + "}"
    assert all(matched(template, f"/{value}") == {"p": value} for value in good)
    assert not any(matched(template, f"/{value}") for value in bad)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("orders/{id", "unmatched brace"),
        ("orders/id}", "unmatched brace"),
        ("a//b", "empty segment"),
        ("{a}{b}", "between two parameters"),
        ("{*rest}/a", "must come last"),
        ("{a}/{A}", "two parameters called 'a'"),
        ("{a:number}", "'number' is not a route constraint"),
        ("{a:int(3)}", "takes no arguments"),
        ("{a:min}", "needs its numbers"),
        ("{a:min(x)}", "takes whole numbers"),
        ("{a:range(1)}", "it takes 2"),
        ("{a:regex([)}", "is wrong"),
        ("{}", "without a usable name"),
        ("{a=1?}", "keep one of the two"),
        ("{*a?}", "leave the '?' out"),
        ("{a:int!}", "cannot be read at '!'"),
        ("a?b=1", "'?' outside of a parameter"),
        ("x{*rest}", "a segment of its own"),
        ("x{a=1}", "a segment of its own"),
        ("{a}-{b?}", "after a dot"),
    ],
)
def test_a_bad_template_is_told_in_a_sentence(template: str, says: str) -> None:
    with pytest.raises(RouteError) as caught:
        Route.parse("F", template)
    assert says in str(caught.value)
    assert caught.value.key == "route"


def test_the_most_specific_route_wins_whatever_the_names_are() -> None:
    templates = {
        "A": "orders/{*rest}",
        "B": "orders/{id}",
        "C": "orders/{id:int}",
        "D": "orders/latest",
        "E": "orders/{*rest:alpha}",
    }
    assert chosen("/orders/latest", **templates) == "D"
    assert chosen("/orders/7", **templates) == "C"
    assert chosen("/orders/x", **templates) == "B"
    assert chosen("/orders/x/y", **templates) == "A"
    assert chosen("/orders", **templates) == "E"


def test_specificity_is_decided_segment_by_segment() -> None:
    assert chosen("/a/b", First="{x}/b", Second="a/{y}") == "Second"
    assert chosen("/1/b", First="{x}/{y}", Second="{z}/b") == "Second"
    assert chosen("/1/b/c", First="{x}/b/{c}", Second="{y}/{b}/c") == "First"


def test_a_more_specific_route_that_does_not_fit_further_down_gives_way() -> None:
    assert chosen("/a/b/c", Deep="a/b/x", Wide="a/{*rest}") == "Wide"


def test_an_exact_end_wins_over_an_absent_optional_parameter() -> None:
    assert chosen("/orders", A="orders/{id?}", B="orders") == "B"
    assert chosen("/orders", A="orders/{*rest}", B="orders/{id?}") == "B"


def test_between_equals_the_first_by_name_wins() -> None:
    assert chosen("/1", b="{x}", A="{y}") == "A"
    assert chosen("/12", b="{x:minlength(2)}", A="{y:int}") == "A"
    assert chosen("/12", A="{y:int}", b="{x:int:min(5)}") == "b"


def test_the_method_is_part_of_the_match() -> None:
    routes = [Route.parse("Post", "orders/new", ["post"]), Route.parse("Get", "orders/{id}", ["GET"])]
    router = Router.build(routes)
    assert [found[0].function for m in ("POST", "GET") if (found := router.match(m, "/orders/new"))] == [
        "Post",
        "Get",
    ]
    assert router.match("DELETE", "/orders/new") is None


def test_the_same_template_with_a_common_method_is_an_error_of_the_later_function() -> None:
    routes = [
        Route.parse("b", "/Orders/", ["POST", "GET"]),
        Route.parse("A", "orders", ["get"]),
        Route.parse("c", "orders", ["PUT"]),
        Route.parse("d", "orders"),
        Route.parse("e", "items/{x}"),
        Route.parse("f", "items/{y}"),
    ]
    conflicts = [(later.function, earlier.function) for later, earlier in find_conflicts(routes)]
    assert conflicts == [("b", "A"), ("d", "A")]


def test_a_difference_to_azures_order_is_shown_with_a_url() -> None:
    routes = [
        Route.parse("All", "api/{*rest}"),
        Route.parse("One", "api/orders/{id:int}", ["GET"]),
        Route.parse("Two", "api/orders/{id}/lines", ["POST"]),
    ]
    differences = {(d.ours, d.azure): f"{d.method} {d.path}" for d in order_differences(routes)}
    assert differences == {
        ("One", "All"): "GET /api/orders/1",
        ("Two", "All"): "POST /api/orders/1/lines",
    }


def test_routes_that_cannot_meet_or_that_azure_orders_alike_are_not_warned_of() -> None:
    assert not order_differences([Route.parse("A", "orders/{id:int}"), Route.parse("B", "orders/list")])
    assert not order_differences([Route.parse("A", "orders/list"), Route.parse("B", "orders/{id}")])
    assert not order_differences([Route.parse("A", "x/{id}", ["GET"]), Route.parse("B", "x/a", ["POST"])])
    assert not order_differences([Route.parse("A", "x/{id}"), Route.parse("B", "x/{id}/more")])


def test_the_warning_says_who_answers_here_and_who_would_there() -> None:
    (difference,) = order_differences([Route.parse("A", "{id}"), Route.parse("B", "list")])
    assert str(difference) == (
        "GET /list is answered by B, the more specific route; Azure would choose A, the first by name."
    )
