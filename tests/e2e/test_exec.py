"""`funchost exec`: a command beside a host of its own, and nothing left of either."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from e2e.apps import App, http_trigger, is_running, until
from e2e.running import COMMAND, DEADLINE, funchost

from funchost.host.cli.exec_host import end_process, last_number

pytestmark = pytest.mark.e2e

HELLO = "def main(req):\n    return 'hello'\n"

#: Asks the host for its function, prints that and the store, and ends with 7.
ASKS = """
import os, sys, urllib.request
print(urllib.request.urlopen(os.environ["FUNCHOST_URL"] + "/api/hello").read().decode())
print(os.environ["FUNCHOST_STORE"])
sys.exit(7)
"""

#: Says that it runs, counts what it is sent, and ends a moment after the first.
COUNTS = """
import os, signal, sys, time
got = []
signal.signal(signal.SIGINT, lambda number, frame: got.append(number))
signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
print("running", os.getpid(), flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.5)
print("got", len(got), flush=True)
sys.exit(5)
"""

#: Makes its standard input the terminal of its session, and goes on as its arguments say.
TAKES_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    made = App(tmp_path / "app")
    made.add("hello", HELLO, http_trigger(), {"type": "http", "direction": "out", "name": "$return"})
    return made


def run(app: App, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return funchost("exec", "--root", app.root, *arguments)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


class Running:
    """`funchost exec` in a session of its own, so that no terminal is near."""

    def __init__(self, app: App, command: list[str], *options: str) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "exec", "--root", str(app.root), *options, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        word, _, pid = self.process.stdout.readline().decode().strip().partition(" ")
        assert word == "running", self.process.communicate()
        self.command = int(pid)
        self.others = psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str, str]:
        """Wait for it: exit code, and what was said."""
        said, told = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, said.decode(), told.decode()

    def nothing_is_left(self) -> None:
        until(
            lambda: not any(is_running(one.pid) for one in self.others),
            DEADLINE,
            lambda: str([one for one in self.others if is_running(one.pid)]),
        )


@pytest.fixture
def begin(app: App) -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []

    def start(code: str = COUNTS, *options: str) -> Running:
        begun.append(Running(app, python(code), *options))
        return begun[-1]

    yield start
    for one in begun:
        one.process.kill()
        for process in one.others:
            if is_running(process.pid):
                process.kill()
        one.process.communicate()


def test_the_command_finds_the_host_and_its_exit_code_is_returned(app: App) -> None:
    done = run(app, "--", *python(ASKS))
    assert done.returncode == 7, done.stderr
    assert done.stdout.decode().splitlines() == ["hello", str(app.store)]
    assert b"Listening on" in done.stderr


def test_options_behind_the_command_are_its_own(app: App) -> None:
    done = run(app, sys.executable, "-c", "import sys; print(sys.argv[1:])", "--json", "-x")
    assert (done.returncode, done.stdout) == (0, b"['--json', '-x']\n")


def test_the_command_has_our_standard_input(app: App) -> None:
    done = funchost("exec", "--root", app.root, "--", "cat", data=b"some words")
    assert (done.returncode, done.stdout) == (0, b"some words")


def test_a_signal_that_ends_the_command_is_told_as_shells_do(app: App) -> None:
    assert run(app, "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_a_command_that_is_not_there_starts_no_host(app: App) -> None:
    done = run(app, "--", "no-such-command")
    assert (done.returncode, done.stdout) == (127, b"")
    assert b"There is no command 'no-such-command'" in done.stderr
    assert not app.store.exists()


def test_a_file_that_is_no_program_starts_no_host(app: App) -> None:
    app.write("notes", "words")
    done = run(app, "--", str(app.root / "notes"))
    assert done.returncode == 126
    assert b"may not be executed" in done.stderr


def test_a_program_of_an_unknown_form_is_told_and_nothing_is_left(app: App) -> None:
    app.write("notes", "words")
    (app.root / "notes").chmod(0o755)
    done = run(app, "--", str(app.root / "notes"))
    assert done.returncode == 126
    assert b"cannot be run" in done.stderr
    assert not list((app.store / "hosts").iterdir())


def test_a_function_in_error_keeps_the_command_from_running(app: App) -> None:
    app.add(
        "broken", "import no_such_module\ndef main(job): pass\n", {"type": "manualTrigger", "name": "job"}
    )
    done = run(app, "--", *python("print('ran')"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"no_such_module" in done.stderr
    assert b"1 function in error (broken), so the command was not run" in done.stderr


def test_a_warning_does_not_keep_the_command_from_running(app: App) -> None:
    app.write("host.json", '{"version": "2.0", "functionTimout": "00:05:00"}')
    done = run(app, "--", *python("print('ran')"))
    assert (done.returncode, done.stdout) == (0, b"ran\n")


def test_an_error_of_the_app_as_a_whole_keeps_the_command_from_running(app: App) -> None:
    app.write("host.json", "{")
    done = run(app, "--", *python("print('ran')"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"host.json" in done.stderr


def test_an_app_that_is_offline_keeps_the_command_from_running(app: App) -> None:
    app.write("app_offline.htm", "later")
    done = run(app, "--", *python("print('ran')"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"The app is offline" in done.stderr


def test_a_host_that_cannot_start_says_why(app: App) -> None:
    done = run(app, "--python", "/no/such/python", "--", *python("print('ran')"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"/no/such/python" in done.stderr
    assert b"The host did not start, so the command was not run" in done.stderr


def test_a_wrong_root_is_told(tmp_path: Path) -> None:
    done = funchost("exec", "--root", tmp_path / "nowhere", "--", "true")
    assert done.returncode == 3
    assert b"is not a folder" in done.stderr


def test_the_hosts_log_can_go_into_a_file(app: App, tmp_path: Path) -> None:
    log = tmp_path / "host.log"
    log.write_text("of an earlier run\n")
    done = run(app, "--log", log, "--", *python(ASKS))
    assert (done.returncode, done.stderr) == (7, b"")
    assert "Listening on" in log.read_text()
    assert "of an earlier run" not in log.read_text()


def test_why_the_host_did_not_start_is_shown_from_the_file_too(app: App, tmp_path: Path) -> None:
    app.write("host.json", "{")
    done = run(app, "--log", tmp_path / "host.log", "--", "true")
    assert done.returncode == 3
    assert b"host.json" in done.stderr


def test_a_log_that_cannot_be_written_is_told(app: App, tmp_path: Path) -> None:
    done = run(app, "--log", tmp_path / "no" / "host.log", "--", "true")
    assert done.returncode == 3
    assert b"The log cannot be written" in done.stderr


def test_a_fresh_store_is_empty_and_goes_with_the_command(app: App) -> None:
    done = run(app, "--fresh", "--", *python(ASKS))
    hello, store = done.stdout.decode().splitlines()
    assert (done.returncode, hello) == (7, "hello")
    assert not Path(store).exists()
    assert not app.store.exists()


def test_a_fresh_store_and_a_named_one_are_refused_together(app: App, tmp_path: Path) -> None:
    assert run(app, "--fresh", "--store", tmp_path, "--", "true").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_goes_to_the_command_and_the_host_stops_after_it(
    begin: Callable[..., Running], number: signal.Signals
) -> None:
    running = begin()
    running.process.send_signal(number)
    code, said, told = running.end()
    assert (code, said) == (5, "got 1\n")
    assert "Stopping" in told
    running.nothing_is_left()


def test_a_command_that_a_forwarded_signal_ends_gives_its_number(begin: Callable[..., Running]) -> None:
    running = begin("import os, time; print('running', os.getpid(), flush=True); time.sleep(60)")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 128 + signal.SIGTERM
    running.nothing_is_left()


def test_nothing_is_left_when_it_is_killed(begin: Callable[..., Running]) -> None:
    running = begin()
    assert len(running.others) >= 3  # the host, its worker, the command
    running.process.kill()
    running.nothing_is_left()


def test_a_host_that_dies_meanwhile_is_told_and_is_no_success(begin: Callable[..., Running]) -> None:
    running = begin("import os, time; print('running', os.getpid(), flush=True); time.sleep(2)")
    host = next(one for one in running.others if "exec_host" in " ".join(one.cmdline()))
    host.kill()
    code, _, told = running.end()
    assert code == 1
    assert "The host ended by SIGKILL while the command was running." in told
    running.nothing_is_left()


def test_ctrl_c_at_a_terminal_reaches_the_command_once(app: App) -> None:
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [*python(TAKES_TERMINAL), COMMAND, "exec", "--root", str(app.root), "--", *python(COUNTS)],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    said = _read_until(terminal, r"running \d+")
    os.write(terminal, b"\x03")
    said += _read_until(terminal, r"got \d")
    assert "got 1" in said
    assert process.wait(DEADLINE) == 5
    os.close(terminal)


def _read_until(terminal: int, pattern: str) -> str:
    said, end = "", time.monotonic() + DEADLINE
    while not re.search(pattern, said):
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, said
        said += os.read(terminal, 4096).decode(errors="replace")
    return said


def test_the_last_number_that_a_parent_wrote_counts() -> None:
    assert last_number([b"12\n", b"0\n"]) == 0
    assert last_number([b"12\n"]) == 12
    assert last_number([]) == 0


def test_a_process_that_does_not_end_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        end_process(stubborn.pid, 0.2)
        assert stubborn.wait(DEADLINE) == -signal.SIGKILL
