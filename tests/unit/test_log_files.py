"""The log that hosts keep in files: written, kept within its limit, read from its end, and followed."""

from __future__ import annotations

import io
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from funchost.host.logs import log_files
from funchost.host.logs.line import LogLine, json_line, readable_line
from funchost.host.logs.log import Log
from funchost.host.logs.log_files import LogFiles
from funchost.host.logs.log_reader import LineFilter, LogReader

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
RUN = "01a1ff88-df62-7d2b-a46f-1e225e000fe9"


def line(text: str, *, seconds: float = 0, level: str = "info", **about: Any) -> LogLine:
    return LogLine(NOW + timedelta(seconds=seconds), level, text, **about)


def keep(folder: Path, *lines: LogLine, began: datetime = NOW, **options: Any) -> None:
    """What a host leaves that logged so."""
    files = LogFiles(folder, began, **options)
    for each in lines:
        files.add(each)
    files.close()


def texts(lines: list[LogLine]) -> list[str]:
    return [each.text for each in lines]


# -- lines


def test_a_line_is_read_as_it_was_written() -> None:
    written = LogLine(NOW, "error", "no\nmore", "one", RUN, {"logger": "root", "pid": 3})
    assert LogLine.parse(json_line(written).encode()) == written


def test_a_line_holds_only_what_there_is_to_say() -> None:
    document = msgspec.json.decode(json_line(LogLine(NOW, "info", "a\n", more={"url": "", "keys": None})))
    assert document == {"time": "2030-01-31T12:00:00Z", "level": "info", "message": "a"}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'{"time":"soon","level":"info","message":""}', b"\xff"]
)
def test_what_is_no_line_is_passed_over(text: bytes) -> None:
    assert LogLine.parse(text) is None


def test_a_line_of_another_day_can_be_shown_with_its_date() -> None:
    local = NOW.astimezone()
    shown = readable_line(line("x", function="one", invocation=RUN), colours=False, dated=True)
    assert shown == f"{local:%Y-%m-%d %H:%M:%S}.000 [one df62-7d2b] x\n"


# -- files


def test_lines_are_kept_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    keep(folder, line("one"), line("two"))
    [file] = folder.iterdir()
    assert file.name == f"host-20300131T120000-{os.getpid()}.0001.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [msgspec.json.decode(each)["message"] for each in file.read_text().splitlines()] == ["one", "two"]


def test_no_file_is_made_where_nothing_is_said(tmp_path: Path) -> None:
    keep(tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_all_files_keep_within_the_limit_and_the_newest_lines_stay(tmp_path: Path) -> None:
    limit = 64 * 1024
    files = LogFiles(tmp_path, NOW, limit=limit)
    for number in range(300):
        files._write(json_line(line(f"{number} " + "x" * 1000)).encode())  # each as a batch of its own
    files.close()
    kept = list(tmp_path.iterdir())
    assert limit // 2 < sum(file.stat().st_size for file in kept) <= limit + limit // 8
    assert len(kept) > 4
    assert texts(LogReader(tmp_path).last(LineFilter(), 1))[0].startswith("299 ")


def test_the_files_of_hosts_that_ended_go_first(tmp_path: Path) -> None:
    keep(tmp_path, line("old " + "x" * 900), began=NOW - timedelta(days=1))
    [old] = tmp_path.iterdir()
    os.utime(old, (1, 1))
    keep(tmp_path, line("new"), limit=1024)
    assert texts(LogReader(tmp_path).last(LineFilter(), None)) == ["new"]


def test_a_host_whose_file_was_removed_begins_another_one(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, NOW)
    files._write(json_line(line("first")).encode())
    for file in tmp_path.iterdir():
        file.unlink()
    files.add(line("second"))
    files.close()
    assert texts(LogReader(tmp_path).last(LineFilter(), None)) == ["second"]


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    told: list[str] = []
    files = LogFiles(tmp_path / "logs", NOW, report=told.append)
    for _ in range(3):
        files._write(b"x\n")
    files.close()
    assert len(told) == 1 and "cannot be written" in told[0]


def test_lines_for_which_a_slow_disk_leaves_no_room_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_MOST_WAITING", 1000)
    monkeypatch.setattr(log_files, "_GATHER", 60.0)  # nothing is written before the end
    files = LogFiles(tmp_path, NOW)
    for text in ("x" * 2000, "lost", "lost too"):
        files.add(line(text))
    files.close()
    assert texts(LogReader(tmp_path).last(LineFilter(), None)) == [
        "x" * 2000,
        "2 lines dropped: more came than could be written",
    ]


def test_details_that_no_json_takes_do_not_end_the_log(tmp_path: Path) -> None:
    keep(tmp_path, LogLine(NOW, "info", "odd", more={"file": "\udcff"}), line("next"))
    assert texts(LogReader(tmp_path).last(LineFilter(), None)) == ["odd", "next"]


# -- what the log of a host brings there


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("warning", ["info", "warning", "user"]),
        ("info", ["info", "warning", "user"]),
        ("debug", ["debug", "info", "warning", "user"]),
    ],
)
def test_files_have_what_a_quiet_screen_has_not(tmp_path: Path, level: str, kept: list[str]) -> None:
    screen = io.StringIO()
    log = Log(screen, "plain", level)
    log.keep(LogFiles(tmp_path, NOW))
    for each in ("debug", "info", "warning"):
        log.say(each, each)
    log.pass_on("debug", "user", category="Function.one.User", function="one", invocation=RUN)
    log.close()
    lines = LogReader(tmp_path).last(LineFilter(), None)
    assert texts(lines) == kept
    assert (lines[-1].function, lines[-1].invocation) == ("one", RUN)
    assert ("info" in screen.getvalue()) == (level != "warning")


# -- reading


def test_the_last_lines_of_all_hosts_come_by_time(tmp_path: Path) -> None:
    keep(tmp_path, *(line(f"a{n}", seconds=n) for n in range(4)))
    keep(tmp_path, *(line(f"b{n}", seconds=n + 0.5) for n in range(4)), began=NOW + timedelta(hours=1))
    reader = LogReader(tmp_path)
    assert texts(reader.last(LineFilter(), 3)) == ["b2", "a3", "b3"]
    assert texts(reader.last(LineFilter(), None)) == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]
    assert texts(reader.last(LineFilter(), 0)) == []
    assert reader.oldest == NOW


def test_only_wanted_lines_come(tmp_path: Path) -> None:
    keep(
        tmp_path,
        line("host"),
        line("mine", function="One", invocation=RUN, seconds=1),
        line("bad", function="One", invocation="other", level="error", seconds=2),
        line("other", function="two", invocation="01b", seconds=3),
        line("odd", level="shout", seconds=4),
    )
    reader = LogReader(tmp_path)

    def found(**wanted: Any) -> list[str]:
        return texts(reader.last(LineFilter(**wanted), None))

    assert found(functions=frozenset({"one"})) == ["mine", "bad"]
    assert found(run="01a1ff88-df") == ["mine"]
    assert found(level="warning") == ["bad"]
    assert found(level="info") == ["host", "mine", "bad", "other", "odd"]
    assert found(since=NOW + timedelta(seconds=2)) == ["bad", "other", "odd"]


def test_a_reader_goes_on_over_new_files_and_new_hosts(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, NOW, limit=8 * 1024)
    files._write(json_line(line("before")).encode())
    reader = LogReader(tmp_path)
    assert reader.new() == []
    for number in range(3):
        files._write(json_line(line(f"{number}" + "x" * 1100, seconds=number)).encode())
    keep(tmp_path, line("another host", seconds=9), began=NOW + timedelta(hours=1))
    assert [text.rstrip("x") for text in texts(reader.new())] == ["0", "1", "2", "another host"]
    assert reader.new() == []
    files.close()


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    whole = json_line(line("late")).encode()
    file = tmp_path / "host-1.0001.jsonl"
    file.write_bytes(whole[:20])
    reader = LogReader(tmp_path)
    assert reader.last(LineFilter(), None) == []
    file.write_bytes(whole)
    assert texts(reader.new()) == ["late"]


def test_a_folder_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "logs")
    assert (reader.last(LineFilter(), 5), reader.oldest, reader.new()) == ([], None, [])
