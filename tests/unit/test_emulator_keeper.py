"""When the emulator's state is saved: only after a change, and whoever should know is told once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from funchost.host.emulator.keeper import StateKeeper
from funchost.host.emulator.state import Keep, State, StateFile
from funchost.host.emulator.traffic import Traffic


class File(StateFile):
    """A file that only counts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written = 0
        self.error: OSError | None = None

    def write(self, collect: Any) -> None:
        if self.error:
            raise self.error
        self.written += 1


def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [b"answer"]


class Kept:
    """A keeper without a server."""

    def __init__(self, folder: Path) -> None:
        self.traffic = Traffic(answer)
        self.file = File(folder / "state.zip")
        self.said: list[str] = []

    def ask(self, method: str = "POST", target: str = "", service: str = "sqs") -> None:
        signed = (
            f"AWS4-HMAC-SHA256 Credential=key/20300131/eu-west-1/{service}/aws4_request, SignedHeaders=host"
        )
        environ = {"REQUEST_METHOD": method, "HTTP_X_AMZ_TARGET": target, "HTTP_AUTHORIZATION": signed}
        assert list(self.traffic(environ, None)) == [b"answer"]

    def keep(self) -> None:
        """Start it, and stop it at once, which saves."""
        keeper = StateKeeper(self.file, self.traffic, self.said.append)
        keeper.restore()
        keeper.start()
        keeper.stop()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


@pytest.mark.parametrize(
    ("method", "target", "written"),
    [
        ("POST", "AmazonSQS.SendMessage", 1),
        ("POST", "AmazonSQS.DeleteMessageBatch", 1),
        ("PUT", "", 1),
        ("DELETE", "", 1),
        ("GET", "", 0),
        ("HEAD", "", 0),
        ("POST", "AmazonSQS.ReceiveMessage", 0),
        ("POST", "AmazonSQS.GetQueueAttributes", 0),
    ],
)
def test_it_is_saved_after_what_may_have_changed_something(
    kept: Kept, method: str, target: str, written: int
) -> None:
    kept.ask(method, target)
    kept.keep()
    assert kept.file.written == written


def test_what_is_in_other_services_is_told_to_be_lost(kept: Kept) -> None:
    for service in ("sqs", "s3", "sts", "dynamodb", "sns"):
        kept.ask(service=service)
    kept.keep()
    assert kept.said == ["The state file keeps queues and buckets; what is in dynamodb, sns is not kept."]


def test_a_disk_that_is_full_is_told(kept: Kept) -> None:
    kept.ask()
    kept.file.error = OSError(28, "No space left on device")
    kept.keep()
    assert kept.said == [f"The state cannot be saved to {kept.file.path}: No space left on device."]


def test_contents_stand_in_the_file_under_the_names_that_they_are_given(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.zip")
    names: list[str] = []

    def collect(keep: Keep) -> State:
        names.extend([keep(b"one"), keep(b"two")])
        return State()

    file.write(collect)
    with file.opened() as found:
        assert found is not None
        assert [found[1](name) for name in names] == [b"one", b"two"]
