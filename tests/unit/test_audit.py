"""Which writes of user code are noticed. In a process of its own: an audit hook cannot be taken out again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from funchost.host.worker import audit

BEGIN = f"""
import importlib.util, os, pathlib, shutil, sys, tempfile
spec = importlib.util.spec_from_file_location("audit", {audit.__file__!r})
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)
root = os.getcwd()
os.makedirs("watched/sub"); os.makedirs("other"); os.makedirs("watchedtoo")
for name in ("watched/old", "other/old", "other/second"):
    open(name, "w").close()
seen = []
audit.WriteAudit(seen.append).watch([os.path.join(root, "watched")])
"""

END = """
for path in list(seen):
    print(os.path.relpath(path, root))
"""


def noticed(folder: Path, code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{BEGIN}\n{code}\n{END}"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "open('watched/new', 'w').close()",
        "open('watched/new', 'ab').close()",
        "open('watched/new', 'x').close()",
        "open(b'watched/new', 'w').close()",
        "pathlib.Path('watched/new').write_text('text')",
        "os.close(os.open('watched/new', os.O_CREAT | os.O_WRONLY))",
        "os.rename('other/old', 'watched/new')",
        "os.replace('other/old', 'watched/new')",
        "os.link('other/old', 'watched/new')",
        "os.symlink('../other/old', 'watched/new')",
        "shutil.copyfile('other/old', 'watched/new')",
        "shutil.move('other/old', 'watched/new')",
        "os.chdir('watched'); open('new', 'w').close()",
        "open(root + '/other/../watched/new', 'w').close()",
    ],
)
def test_what_puts_a_file_into_a_watched_folder_is_noticed(tmp_path: Path, code: str) -> None:
    assert set(noticed(tmp_path, code)) == {"watched/new"}


def test_a_change_in_place_is_noticed(tmp_path: Path) -> None:
    assert noticed(tmp_path, "open('watched/old', 'r+').close()") == ["watched/old"]


def test_folders_below_are_watched_too(tmp_path: Path) -> None:
    assert noticed(tmp_path, "open('watched/sub/new', 'w').close()") == ["watched/sub/new"]


@pytest.mark.parametrize(
    "code",
    [
        "open('watched/old').read()",
        "open('watched/old', 'rb').read()",
        "os.close(os.open('watched/old', os.O_RDONLY))",
        "open('other/new', 'w').close()",
        "open('watchedtoo/new', 'w').close()",
        "os.rename('watched/old', 'other/new')",
        "os.listdir('watched')",
    ],
)
def test_other_things_are_not(tmp_path: Path, code: str) -> None:
    assert noticed(tmp_path, code) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("open('watched/\\0new', 'w')", "ValueError"),
        ("open(os.devnull + '/new', 'w')", "NotADirectoryError"),
        ("open(3.5, 'w')", "TypeError"),
        ("os.rmdir('watchedtoo'); open('watchedtoo/new', 'w')", "FileNotFoundError"),
        ("os.chdir('watchedtoo'); os.rmdir(root + '/watchedtoo'); open('new', 'w')", "FileNotFoundError"),
    ],
)
def test_a_call_fails_as_it_would_without(tmp_path: Path, code: str, error: str) -> None:
    tried = f"try:\n    {code}\nexcept Exception as error:\n    print(type(error).__name__)"
    assert noticed(tmp_path, tried) == [error]


def test_an_open_descriptor_is_not_taken_for_a_path(tmp_path: Path) -> None:
    assert noticed(tmp_path, "a, b = os.pipe(); open(b, 'w').close()") == []
