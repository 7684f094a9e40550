"""What user code prints and logs arrives, whole and with the invocation it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from workers import App, call, run, within


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path)
    yield app
    await app.close()


async def say(app: App, code: str) -> None:
    """Run a function to its end with an invocation id of its own."""
    worker = await app.worker(app.function("talk", code))
    result = await run(worker, "talk", invocation="mine")
    assert result.error is None, result.error


PRINTERS = {
    "plain": "def main(msg: str) -> None:\n    print('here')\n",
    "coroutine": "async def main(msg: str) -> None:\n    print('here')\n",
    "after waiting": "import asyncio\nasync def main(msg: str) -> None:\n    await asyncio.sleep(0.01)\n    print('here')\n",
    "thread": """
        import threading
        def main(msg: str) -> None:
            thread = threading.Thread(target=print, args=("here",))
            thread.start(); thread.join()
    """,
    "own kind of thread": """
        import threading
        class Mine(threading.Thread):
            def run(self): print("here")
        def main(msg: str) -> None:
            thread = Mine(); thread.start(); thread.join()
    """,
    "thread of a thread": """
        import threading
        def main(msg: str) -> None:
            def inner():
                thread = threading.Thread(target=print, args=("here",))
                thread.start(); thread.join()
            thread = threading.Thread(target=inner)
            thread.start(); thread.join()
    """,
    "timer": """
        import threading
        def main(msg: str) -> None:
            timer = threading.Timer(0.01, print, ["here"])
            timer.start(); timer.join()
    """,
    "pool": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        pool.submit(print, "at import").result()
        def main(msg: str) -> None:
            pool.submit(print, "here").result()
    """,
    "task": """
        import asyncio
        async def inner(): print("here")
        async def main(msg: str) -> None:
            await asyncio.create_task(inner())
    """,
    "to_thread": "import asyncio\nasync def main(msg: str) -> None:\n    await asyncio.to_thread(print, 'here')\n",
    "run_in_executor": """
        import asyncio
        async def main(msg: str) -> None:
            await asyncio.get_running_loop().run_in_executor(None, print, "here")
    """,
    "loop of its own": """
        import asyncio
        async def inner(): print("here")
        def main(msg: str) -> None:
            asyncio.run(inner())
    """,
}


@pytest.mark.parametrize("how", PRINTERS)
async def test_what_is_printed_arrives_with_its_invocation(app: App, how: str) -> None:
    await say(app, PRINTERS[how])
    line = await app.heard("here")
    assert line.invocation == "mine"
    assert (line.header["level"], line.header["stream"]) == ("info", "stdout")


async def test_a_pool_serves_one_invocation_after_the_other(app: App) -> None:
    code = """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        def main(msg: str) -> None:
            pool.submit(print, "here", msg).result()
    """
    worker = await app.worker(app.function("talk", code))
    for name in "abc":
        await run(worker, "talk", name.encode(), invocation=name)
    assert [(line.text, line.invocation) for line in app.lines] == [(f"here {name}", name) for name in "abc"]


async def test_what_is_printed_at_import_belongs_to_no_invocation(app: App) -> None:
    await say(app, "print('import')\ndef main(msg: str) -> None: pass\n")
    assert (await app.heard("import")).invocation == ""


async def test_output_comes_before_the_result_that_follows_it(app: App) -> None:
    worker = await app.worker(app.function("talk", PRINTERS["plain"]))
    for count in range(1, 50):
        await run(worker, "talk")
        assert len(app.lines) == count


async def test_standard_error_is_told_apart_and_is_no_warning(app: App) -> None:
    await say(app, "import sys\ndef main(msg: str) -> None:\n    print('oh', file=sys.stderr)\n")
    line = await app.heard("oh")
    assert (line.invocation, line.header["level"], line.header["stream"]) == ("mine", "info", "stderr")


async def test_a_line_without_an_end_is_sent_with_the_end_of_its_invocation(app: App) -> None:
    await say(app, "def main(msg: str) -> None:\n    print('a', end=''); print('b', end='')\n")
    assert (await app.heard("ab")).invocation == "mine"


async def test_a_line_without_an_end_that_the_import_left_is_sent(app: App) -> None:
    await say(app, "print('import', end='')\ndef main(msg: str) -> None: pass\n")
    assert (await app.heard("import")).invocation == ""


async def test_lines_of_two_invocations_do_not_mix(app: App) -> None:
    code = """
        import asyncio
        async def main(msg: str) -> None:
            for _ in range(3):
                print(msg, end="")
                await asyncio.sleep(0.01)
            print()
    """
    worker = await app.worker(app.function("talk", code))
    await within(
        asyncio.gather(*(worker.invoke(call("talk", name.encode(), invocation=name)) for name in "ab"))
    )
    assert {(line.text, line.invocation) for line in app.lines} == {("aaa", "a"), ("bbb", "b")}


async def test_lines_of_two_threads_of_one_invocation_do_not_mix(app: App) -> None:
    code = """
        from concurrent.futures import ThreadPoolExecutor
        def talk(name):
            for _ in range(2000):
                print(name, name, name)
        def main(msg: str) -> None:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(talk, "abcd"))
    """
    await say(app, code)
    assert sorted(line.text for line in app.lines) == sorted(
        f"{name} {name} {name}" for name in "abcd" * 2000
    )


async def test_text_that_is_no_valid_unicode_arrives_as_well_as_it_can(app: App) -> None:
    await say(app, r"def main(msg: str) -> None:" "\n    print('half \\ud800 pair')\n")
    assert (await app.heard("half ? pair")).invocation == "mine"


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_ten_megabytes_arrive_whole(app: App, keyword: str) -> None:
    code = f"{keyword} main(msg: str) -> None:\n    for n in range(10_000): print('x' * 1048)\n"
    await say(app, code)
    assert sum(len(line.text) for line in app.lines) == 10_480_000


async def test_one_line_of_ten_megabytes_arrives_whole(app: App) -> None:
    await say(app, "def main(msg: str) -> None:\n    print('x' * 10_000_000)\n")
    assert sum(len(line.text) for line in app.lines) == 10_000_000


async def test_a_line_that_is_too_long_to_be_kept_leaves_no_empty_one_behind(app: App) -> None:
    await say(app, "def main(msg: str) -> None:\n    print('x' * 100_000); print(); print('end')\n")
    await app.heard("end")
    assert [len(line.text) for line in app.lines] == [100_000, 0, 3]


async def test_a_thread_that_prints_more_than_is_read_waits_and_the_loop_goes_on(app: App) -> None:
    code = """
        import logging
        def main(msg: str) -> None:
            for _ in range(64):
                logging.info("x" * 1_000_000)
    """
    logs = "import logging\nasync def main(msg: str) -> None:\n    logging.info('short')\n"
    worker = await app.worker(app.function("flood", code), app.function("talk", logs))
    flood = worker.invoke(call("flood"))
    for _ in range(20):
        await run(worker, "talk", invocation="other")
    await within(flood)
    assert sum(len(line.text) for line in app.lines if line.invocation == "one") == 64_000_000
    assert len([line for line in app.lines if line.invocation == "other"]) == 20


async def test_a_coroutine_that_prints_without_end_loses_lines_and_not_its_worker(app: App) -> None:
    code = """
        async def main(msg: str) -> None:
            for _ in range(200):
                print("x" * 1_000_000)
    """
    worker = await app.worker(app.function("flood", code), app.function("talk", PRINTERS["coroutine"]))
    assert (await run(worker, "flood")).error is None
    note = await app.heard(lambda line: "lines were dropped" in line.text)
    dropped = int(note.text.split()[0])
    assert note.header["level"] == "warning"
    assert len([line for line in app.lines if line.text.startswith("x")]) == 200 - dropped
    await run(worker, "talk", invocation="mine")
    assert (await app.heard("here")).invocation == "mine"


async def test_logging_arrives_with_level_and_logger(app: App) -> None:
    code = """
        import logging
        log = logging.getLogger("app.orders")
        def main(msg: str) -> None:
            log.debug("not shown")
            log.warning("low on %s", msg)
    """
    await say(app, code)
    line = await app.heard("low on ")
    assert (line.invocation, line.header["level"], line.header["logger"]) == ("mine", "warning", "app.orders")
    assert "not shown" not in [line.text for line in app.lines]


async def test_debug_messages_arrive_when_they_are_asked_for(app: App) -> None:
    code = "import logging\ndef main(msg: str) -> None:\n    logging.debug('deep')\n"
    worker = await app.worker(app.function("talk", code), debug=True)
    await run(worker, "talk")
    assert (await app.heard("deep")).header["level"] == "debug"


async def test_a_logger_that_the_app_set_to_debug_is_heard(app: App) -> None:
    code = """
        import logging
        log = logging.getLogger("app")
        log.setLevel(logging.DEBUG)
        def main(msg: str) -> None:
            logging.debug("deep")
            log.debug("asked for")
            logging.info("end")
    """
    await say(app, code)
    await app.heard("end")
    assert [(line.text, line.header["level"]) for line in app.lines] == [
        ("asked for", "debug"),
        ("end", "info"),
    ]


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (1, "debug"),
        (5, "debug"),
        (19, "debug"),
        (25, "info"),
        (35, "warning"),
        (45, "error"),
        (99, "critical"),
    ],
)
async def test_levels_of_ones_own_count_as_the_next_lower_one(app: App, number: int, level: str) -> None:
    code = f"""
        import logging
        logging.addLevelName({number}, "OWN")
        log = logging.getLogger("app")
        log.setLevel(1)
        def main(msg: str) -> None:
            log.log({number}, "here")
    """
    await say(app, code)
    assert (await app.heard("here")).header["level"] == level


@pytest.mark.parametrize("logger", ["azure.functions.WsgiMiddleware", "azure_functions_worker.dispatcher"])
async def test_loggers_of_the_machinery_are_told_apart(app: App, logger: str) -> None:
    code = (
        f"import logging\ndef main(msg: str) -> None:\n    logging.getLogger({logger!r}).warning('inner')\n"
    )
    await say(app, code)
    assert (await app.heard("inner")).header["system"] is True


async def test_loggers_of_other_packages_are_the_apps(app: App) -> None:
    code = "import logging\ndef main(msg: str) -> None:\n    logging.getLogger('azure.core').info('mine')\n"
    await say(app, code)
    assert "system" not in (await app.heard("mine")).header


async def test_an_exception_that_is_logged_arrives_with_its_traceback(app: App) -> None:
    code = """
        import logging
        def main(msg: str) -> None:
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("it went wrong")
    """
    await say(app, code)
    line = await app.heard("ZeroDivisionError: division by zero")
    assert (line.invocation, line.header["level"]) == ("mine", "error")
    assert "it went wrong" in [line.text for line in app.lines]


MESSAGES = {
    "a wrong placeholder": ("logging.info('%d', 'word')", "'%d' could not be formatted: TypeError"),
    "too many arguments": ("logging.info('one', 'two')", "'one' could not be formatted: TypeError"),
    "no text": ("logging.info(Silent())", "A message of type Silent could not be formatted: ValueError"),
    "a formatter that fails": ("formatted_by(lambda record: 1 / 0)", "'said' could not be formatted: Zero"),
    "a formatter that gives no text": ("formatted_by(lambda record: [1])", "[1]"),
    "a formatter of one's own": ("formatted_by(lambda record: 'nice ' + record.msg)", "nice said"),
    "a filter": ("filtered()", "from the filter"),
    "more fields": ("logging.info('said', extra={'order': 7})", "said"),
    "half a pair": (r"logging.info('half \ud800 pair')", "half ? pair"),
}


@pytest.mark.parametrize("what", MESSAGES)
async def test_a_log_message_is_told_whatever_is_the_matter_with_it(app: App, what: str) -> None:
    do, said = MESSAGES[what]
    code = f"""
import logging
class Silent:
    def __str__(self): raise ValueError("no words")
    __repr__ = __str__
def formatted_by(format):
    handler, = logging.getLogger().handlers
    formatter = logging.Formatter()
    formatter.format = format
    handler.setFormatter(formatter)
    logging.info("said")
def filtered():
    handler, = logging.getLogger().handlers
    def change(record):
        record.msg = "from the filter"
        return record
    handler.addFilter(change)
    logging.info("said")
def main(msg: str) -> None:
    {do}
"""
    await say(app, code)
    assert (await app.heard(lambda line: line.text.startswith(said))).invocation == "mine"


async def test_an_exception_in_a_thread_arrives(app: App) -> None:
    code = """
        import threading
        def main(msg: str) -> None:
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start(); thread.join()
    """
    await say(app, code)
    assert (await app.heard("ZeroDivisionError: division by zero")).invocation == "mine"


# -- past the streams


@pytest.mark.parametrize(
    "write",
    [
        "os.write(1, b'raw\\n')",
        "os.write(2, b'raw\\n')",
        "sys.stdout.buffer.write(b'raw\\n')",
        "sys.__stdout__.write('raw\\n')",
        "subprocess.run(['echo', 'raw'])",
        "subprocess.run(['echo', 'raw'], stdout=sys.stdout)",
        "os.system('echo raw >&2')",
    ],
)
async def test_what_native_code_and_children_write_arrives(app: App, write: str) -> None:
    await say(app, f"import os, subprocess, sys\ndef main(msg: str) -> None:\n    {write}\n")
    line = await app.heard("raw")
    assert line.header["stream"] == "output"
    assert line.header["pid"]


async def test_plain_output_of_any_length_arrives(app: App) -> None:
    code = "import os\ndef main(msg: str) -> None:\n    os.system('head -c 3000000 /dev/zero | tr \"\\\\0\" x; echo; echo end')\n"
    await say(app, code)
    await app.heard("end")
    assert sum(len(line.text) for line in app.lines) == 3_000_003


# -- what user code does to its streams

DEEDS = {
    "closes sys.stdout": "sys.stdout.close()",
    "closes both": "sys.stdout.close(); sys.stderr.close()",
    "closes the descriptors": "os.close(1); os.close(2)",
    "asks for another encoding": "sys.stdout.reconfigure(encoding='utf-8', line_buffering=True)",
    "flushes": "sys.stdout.flush()",
    "asks for a terminal": "assert not sys.stdout.isatty()",
    "reads standard input": "assert sys.stdin.read() == ''",
    "closes standard input": "sys.stdin.close()",
    "replaces sys.stdout and puts it back": "old = sys.stdout; sys.stdout = io.StringIO(); print('hidden'); sys.stdout = old",
    "redirects": "with_redirect()",
    "writes bytes": "\n    try: sys.stdout.write(b'bytes')\n    except TypeError: pass\n    else: raise AssertionError",
    "changes the folder": "os.chdir('/')",
    "configures logging": "logging.basicConfig(level=10); logging.getLogger().setLevel(30)",
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_printing_survives(app: App, deed: str) -> None:
    code = f"""
import contextlib, io, logging, os, sys
def with_redirect():
    with contextlib.redirect_stdout(io.StringIO()) as got:
        print("hidden")
    assert got.getvalue() == "hidden\\n"
def main(msg: str) -> None:
    {DEEDS[deed]}
    print("shown")
"""
    worker = await app.worker(app.function("talk", code))
    for name in ("first", "second"):
        result = await run(worker, "talk", invocation=name)
        if (
            deed != "closes the descriptors"
            and deed != "closes standard input"
            and deed != "reads standard input"
        ):
            assert result.error is None, result.error
    assert "first" in [line.invocation for line in app.lines if line.text == "shown"]
    assert "hidden" not in [line.text for line in app.lines]


SETUPS = {
    "again": "logging.basicConfig(level=logging.INFO)",
    "by force": "logging.basicConfig(level=logging.INFO, format='%(message)s', force=True)",
    "by a dictionary": """logging.config.dictConfig({
        "version": 1, "disable_existing_loggers": True,
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
        "root": {"level": "INFO", "handlers": ["out"]}})""",
    "by a dictionary without a root": "logging.config.dictConfig({'version': 1})",
    "with a handler of its own": """root.handlers.clear(); root.addHandler(logging.StreamHandler())""",
    "after a shutdown": "logging.shutdown()",
}


@pytest.mark.parametrize("how", SETUPS)
async def test_an_app_that_sets_up_its_own_logging_is_heard_once(app: App, how: str) -> None:
    code = f"""
import logging, logging.config
root = logging.getLogger()
{SETUPS[how]}
def main(msg: str) -> None:
    logging.info("here")
    print("end")
"""
    await say(app, code)
    await app.heard("end")
    assert [(line.text, line.invocation, line.header["level"]) for line in app.lines] == [
        ("here", "mine", "info"),
        ("end", "mine", "info"),
    ]


async def test_a_handler_beside_ours_says_it_a_second_time_as_in_azure(app: App) -> None:
    code = """
        import logging, sys
        logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
        def main(msg: str) -> None:
            logging.warning("here")
            print("end")
    """
    await say(app, code)
    await app.heard("end")
    assert [line.header.get("stream") for line in app.lines] == [None, "stdout", "stdout"]


async def test_without_any_handler_only_warnings_are_heard(app: App) -> None:
    code = """
        import logging
        logging.getLogger().handlers.clear()
        def main(msg: str) -> None:
            logging.getLogger("app").info("lost")
            logging.getLogger("app").warning("kept")
    """
    await say(app, code)
    await app.heard("kept")
    assert [line.text for line in app.lines] == ["kept"]


WRAPPERS = {
    "the bytes": "io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
    "the bytes taken away": "io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')",
    "a file": "open(1, 'w', closefd=False)",
}


@pytest.mark.parametrize("what", WRAPPERS)
async def test_what_is_printed_to_a_stream_in_place_of_ours_is_not_kept_back(app: App, what: str) -> None:
    code = f"import io, sys\nsys.stdout = {WRAPPERS[what]}\ndef main(msg: str) -> None:\n    print('here')\n"
    await say(app, code)
    assert (await app.heard("here")).header["stream"] == "output"


@pytest.mark.parametrize("what", ["None", "object()", "open('/dev/null')", "closed()"])
async def test_a_thing_that_is_no_stream_in_place_of_ours_fails_nothing(app: App, what: str) -> None:
    code = f"""
import io, sys
def closed():
    stream = io.StringIO(); stream.close(); return stream
sys.stderr = {what}
def main(msg: str) -> None:
    print("here")
"""
    await say(app, code)
    assert (await app.heard("here")).invocation == "mine"


async def test_a_stream_that_is_replaced_for_good_keeps_nothing_else_from_working(app: App) -> None:
    code = "import io, sys\ndef main(msg: str) -> None:\n    sys.stdout = sys.stderr = io.StringIO()\n    print('lost')\n"
    worker = await app.worker(app.function("talk", code))
    for _ in range(2):
        assert (await run(worker, "talk")).error is None


# -- threads that say themselves what they work for


LONG_LIVED = """
    import logging, queue, threading
    from concurrent.futures import ThreadPoolExecutor
    work, done = queue.Queue(), queue.Queue()
    def serve():
        while True:
            storage, invocation, text = work.get()
            if invocation:
                storage.invocation_id = invocation
            logging.info("%s %s", text, getattr(storage, "invocation_id", "nobody"))
            done.put(None)
    threading.Thread(target=serve, daemon=True).start()
    pool = ThreadPoolExecutor(1)
    def main(msg: str, context) -> None:
        storage = context.thread_local_storage
        def pooled(text, invocation=None):
            if invocation:
                storage.invocation_id = invocation
            logging.info("%s %s", text, storage.invocation_id)
        assert storage.invocation_id == context.invocation_id
        do = {
            "tell": lambda: (work.put((storage, context.invocation_id, "thread")), done.get()),
            "no word": lambda: (work.put((storage, None, "thread")), done.get()),
            "pool": lambda: pool.submit(pooled, "pool").result(),
            "pool of another": lambda: pool.submit(pooled, "pool", "another").result(),
            "own": lambda: setattr(storage, "invocation_id", "another"),
            "none": lambda: delattr(storage, "invocation_id"),
            "nothing": lambda: None,
        }
        do[msg]()
        logging.info("end")
"""


async def _said(app: App, *messages: str) -> list[tuple[str, str]]:
    worker = await app.worker(app.function("talk", LONG_LIVED))
    for number, message in enumerate(messages, 1):
        result = await run(worker, "talk", message.encode(), invocation=f"run-{number}")
        assert result.error is None, result.error
    return [(line.text, line.invocation) for line in app.lines]


async def test_a_thread_that_names_its_invocation_logs_for_it_and_for_the_next_one_then(app: App) -> None:
    assert await _said(app, "tell", "tell") == [
        ("thread run-1", "run-1"),
        ("end", "run-1"),
        ("thread run-2", "run-2"),
        ("end", "run-2"),
    ]


async def test_a_thread_of_the_app_that_names_none_logs_for_none(app: App) -> None:
    assert await _said(app, "no word") == [("thread nobody", ""), ("end", "run-1")]


async def test_an_invocation_that_is_named_in_a_pool_is_forgotten_with_the_call(app: App) -> None:
    assert await _said(app, "pool of another", "pool") == [
        ("pool another", "another"),
        ("end", "run-1"),
        ("pool run-2", "run-2"),
        ("end", "run-2"),
    ]


@pytest.mark.parametrize(("deed", "named"), [("own", "another"), ("none", "")])
async def test_what_a_function_names_does_not_reach_the_next_invocation(
    app: App, deed: str, named: str
) -> None:
    assert await _said(app, deed, "nothing") == [("end", named), ("end", "run-2")]


async def test_a_task_that_names_an_invocation_does_so_for_itself(app: App) -> None:
    code = """
        import asyncio, logging
        async def other(storage):
            storage.invocation_id = "another"
            logging.info("task")
        async def main(msg: str, context) -> None:
            await asyncio.create_task(other(context.thread_local_storage))
            logging.info("end")
    """
    await say(app, code)
    await app.heard("end")
    assert [(line.text, line.invocation) for line in app.lines] == [("task", "another"), ("end", "mine")]
