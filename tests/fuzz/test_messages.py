"""Messages that hold anything: each is run to its end or given up, and the host goes on."""

from __future__ import annotations

import base64
from pathlib import Path
from random import Random

import pytest
from e2e.apps import App, queue_trigger
from e2e.running import DEADLINE, RunningHost
from fuzz.fuzzing import ROUNDS, chance

pytestmark = pytest.mark.e2e

_RAW = """
    import azure.functions as func
    from ledger import note

    def main(job: func.QueueMessage) -> None:
        job.get_body()
        note("raw")
"""
_TEXT = """
    from ledger import note

    def main(job: str) -> None:
        job.encode("utf-8")
        note("text")
"""
_OBJECT = """
    from ledger import note

    def main(job: dict, kept: object) -> None:
        note("object")
"""


def body(luck: Random) -> bytes:
    """One message: JSON, nearly JSON, base64 of it, or no text at all."""
    text = luck.choice(
        (
            b"", b"{}", b"null", b'{"id": "a"}', b'{"id": "../../x"}', b'{"id": "a\\u0000b"}', b'{"id": {"a": []}}',
            b'{"id": "\\ud800"}', b'{"id": 1e999}', b"[" * 5000, b'{"a":' * 5000, b"\xff\xfe\x00", b"\xef\xbb\xbf{}",
            b"plain", b"\r\n", b"\x00", b"=" * 50, b"a" * 30_000, '{"id": "\u202e"}'.encode(), b'{"id": "%s"}' % (b"9" * 5000),
        )
    )  # fmt: skip
    if luck.random() < 0.3:
        text = base64.b64encode(text)[luck.randrange(2) :]
    if luck.random() < 0.3:
        text = text[: luck.randrange(len(text) + 1)] + luck.randbytes(luck.randrange(5))
    return text


def test_every_message_is_run_or_given_up(tmp_path: Path) -> None:
    app = App(tmp_path, extensions={"queues": {"maxDequeueCount": 1, "batchSize": 32}})
    app.add("raw", _RAW, queue_trigger("raw"))
    app.add("text", _TEXT, queue_trigger("text"))
    blob = {"type": "blob", "direction": "in", "name": "kept", "path": "kept/{id}.txt"}
    app.add("object", _OBJECT, queue_trigger("object"), blob)
    luck, count = chance("messages"), 120 * ROUNDS
    with RunningHost(app.root) as host:
        for queue in ("raw", "text", "object"):
            app.send(queue, *(body(luck) for _ in range(count)))
        for queue in ("raw", "text", "object"):
            app.wait_until_empty(queue, 2 * DEADLINE)
            ended = len(app.ledger(queue)) + len(app.peek(f"{queue}-poison"))
            assert ended == count, queue
        # Whatever it holds, a message can be taken as bytes.
        assert len(app.ledger("raw")) == count
        for trouble in ("never retrieved", "Unhandled", "is gone"):
            assert trouble not in host.log, host.log[-3000:]
    assert not (tmp_path.parent / "x.txt").exists()
