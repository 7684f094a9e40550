import pytest

from funchost.bindings.errors import BindingError
from funchost.bindings.names import blob_path, queue_name
from funchost.bindings.patterns import FilePattern, PathPattern


def test_a_capture_of_a_blob_path_spans_folders_and_may_be_empty() -> None:
    pattern = PathPattern.parse("c-1/{name}.txt")
    assert (pattern.container, pattern.prefix) == ("c-1", "")
    assert pattern.match("a/b.txt") == {"name": "a/b"}
    assert pattern.match(".txt") == {"name": ""}
    assert pattern.match("a.txt.bak") is None


def test_captures_of_a_blob_path_are_greedy_from_the_left() -> None:
    assert PathPattern.parse("cont/{a}-{b}").match("x-y-z") == {"a": "x-y", "b": "z"}


def test_literals_of_a_blob_path_are_compared_with_case_and_as_they_are() -> None:
    pattern = PathPattern.parse("Cont/In.{{1}}/{name}")
    assert pattern.container == "cont"
    assert pattern.match("In.{1}/x") == {"name": "x"}
    assert pattern.match("in.{1}/x") is None
    assert pattern.match("Inx{1}/x") is None
    assert pattern.prefix == "In."


def test_a_container_alone_matches_all_its_blobs() -> None:
    assert PathPattern.parse("cont").match("any/thing") == {}


@pytest.mark.parametrize(
    "path",
    [
        "{c}/x",
        "cont/{a.b}",
        "cont/{a}/{A}",
        "cont/{a:N}",
        "cont/../{a}",
        "co/{a}",
        "cont/{a",
        "/cont/{a}",
        "cont//a",
    ],
)
def test_a_blob_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(BindingError):
        PathPattern.parse(path)


def test_a_capture_of_a_file_path_stays_in_its_folder() -> None:
    pattern = FilePattern.parse("import/{name}.csv")
    assert (pattern.root, pattern.recursive) == ("import", False)
    assert pattern.match("orders.csv") == {"name": "orders"}
    assert pattern.match("old/orders.csv") is None
    assert pattern.match(".csv") is None


@pytest.mark.parametrize(
    ("text", "root", "recursive", "path", "captures"),
    [
        ("in/**/{name}.csv", "in", True, "a/b/x.csv", {"name": "x"}),
        ("in/**/{name}.csv", "in", True, "x.csv", {"name": "x"}),
        ("in/{day}/*.csv", "in", True, "mon/x.csv", {"day": "mon"}),
        ("in/**", "in", True, "a/b", {}),
        ("/data/in/a-*.{ext}", "/data/in", False, "a-1.txt", {"ext": "txt"}),
        ("{name}", ".", False, "x", {"name": "x"}),
        ("in/orders.csv", "in", False, "orders.csv", {}),
        ("/orders.csv", "/", False, "orders.csv", {}),
        ("in\\deep\\*.csv", "in/deep", False, "x.csv", {}),
    ],
)
def test_a_file_pattern_matches_below_its_root(
    text: str, root: str, recursive: bool, path: str, captures: dict[str, str]
) -> None:
    pattern = FilePattern.parse(text)
    assert (pattern.root, pattern.recursive) == (root, recursive)
    assert pattern.match(path) == captures


@pytest.mark.parametrize("path", ["in/", "", "in/**x/{a}", "in/{a}**", "in/*/../x", "in/{a}/{a}", "in/{a"])
def test_a_file_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(BindingError):
        FilePattern.parse(path)


def test_names_follow_the_rules_of_azure() -> None:
    assert queue_name("Orders-1") == "orders-1"
    assert blob_path("Cont/A/b.txt") == ("cont", "A/b.txt")
    for name in ("ab", "a--b", "-ab", "ab-", "a_b", "a" * 64, "abc\n"):
        with pytest.raises(BindingError, match="queue name"):
            queue_name(name)
    for path in ("cont", "cont/", "cont/a/../b", "cont/a\\b", "cont/a.", "cont/" + "a" * 1025, "x/a"):
        with pytest.raises(BindingError):
            blob_path(path)
