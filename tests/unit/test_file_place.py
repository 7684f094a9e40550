"""Which files a path is for, and how they are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from funchost.triggers.file_place import FilePlace, printable

ROOT = Path("/app")


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("import/{name}.csv", ".a.csv"),
        ("import/{name}", "a.tmp"),
        ("import/{name}", "a.csv.part"),
        ("import/{name}", "a.crdownload"),
        ("import/{name}", "a~"),
        ("import/{name}", "~$letter.docx"),
        ("import/{folder}/{name}", ".hidden/a"),
        ("import/**", "x/.hidden/a"),
    ],
)
def test_hidden_and_unfinished_files_do_not_count(path: str, relative: str) -> None:
    assert FilePlace(path, ROOT).match(relative) is None


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("import/.{name}.csv", ".a.csv"),
        ("import/{name}.tmp", "a.tmp"),
        ("import/{name}~", "a~"),
        ("import/{folder}/.cache/{name}", "x/.cache/a"),
        (".spool/{name}", "a"),
    ],
)
def test_they_count_where_the_pattern_names_them(path: str, relative: str) -> None:
    assert FilePlace(path, ROOT).match(relative) is not None


def test_a_path_is_relative_to_the_app_root_or_absolute() -> None:
    assert FilePlace("import/{name}.csv", ROOT).root == "/app/import"
    assert FilePlace("../in/{name}.csv", ROOT).root == "/in"
    assert FilePlace("/data/in/{name}.csv", ROOT).root == "/data/in"
    assert FilePlace("{name}.csv", ROOT).root == "/app"


@pytest.mark.parametrize("path", ["import/{name}.csv", "/data/{name}", "{name}.csv", "../in/{a}/{b}.csv"])
@pytest.mark.parametrize("relative", ["a.csv", "ü/a b.csv", os.fsdecode(b"caf\xe9.csv")])
def test_a_key_is_unicode_and_leads_back_to_the_file(path: str, relative: str) -> None:
    place = FilePlace(path, ROOT)
    key = place.key(relative)
    assert key.encode()
    assert place.relative_of_key(key) == relative
    assert place.relative(place.absolute(relative)) == relative


def test_a_key_reads_as_the_pattern_writes_the_folder() -> None:
    assert FilePlace("import/{name}.csv", ROOT).key("a.csv") == "import/a.csv"
    with pytest.raises(ValueError, match="not below"):
        FilePlace("import/{name}.csv", ROOT).relative_of_key("inbox/a.csv")


def test_what_is_outside_the_folder_has_no_relative_path() -> None:
    place = FilePlace("import/{name}.csv", ROOT)
    assert place.relative("/app/import2/a.csv") is None
    assert place.relative("/app/import") is None


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert printable(os.fsdecode(b"caf\xe9.csv")) == "caf\\xe9.csv"
    assert printable("ü.csv") == "ü.csv"


def test_only_folders_that_can_hold_a_match_are_entered() -> None:
    assert not FilePlace("import/{name}", ROOT).enters("x/")
    assert FilePlace("import/{x}/{name}", ROOT).enters("x/")
    assert not FilePlace("import/{x}/{name}", ROOT).enters(".git/")
