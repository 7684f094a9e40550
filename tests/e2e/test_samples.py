"""The sample functions, as the README walks through them: on the embedded store, and unchanged on AWS."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from e2e.apps import request
from e2e.emulated import EmulatedAws, emulator_of
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]

T = TypeVar("T")


@dataclass(frozen=True)
class Shop:
    """The samples in a folder of their own, served."""

    root: Path
    host: RunningHost
    #: None on the embedded store.
    aws: EmulatedAws | None

    def order(self, **fields: Any) -> str:
        """Order by HTTP; returns the order's id."""
        status, answer = request(self.host, "/api/orders", json.dumps(fields).encode())
        assert status == 202, answer
        order_id: str = json.loads(answer)["orderId"]
        return order_id

    def receipts(self) -> dict[str, Any]:
        """All there are, by the name of their blob."""
        if self.aws:
            return self.aws.documents("receipts")
        folder = self.root / ".funchost/blobs/receipts"
        return {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.json")}

    def receipt(self, order_id: str) -> Any:
        """The receipt of an order, once it is there."""
        return eventually(lambda: self.receipts().get(f"{order_id}.json"))

    def told(self, *command: str) -> str:
        """What a command prints."""
        done = funchost(*command, "--root", self.root)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def peeked(self, queue: str) -> list[dict[str, Any]]:
        """The messages of a queue; none where there is no such queue yet."""
        if queue not in self.queues():
            return []
        found: list[dict[str, Any]] = json.loads(self.told("queues", "peek", queue, "--json", "-n", "50"))
        return found

    def queues(self) -> dict[str, dict[str, Any]]:
        """What each queue holds."""
        return {one["queue"]: one for one in json.loads(self.told("queues", "list", "--json"))}


@pytest.fixture(scope="module", params=["embedded", "aws"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("shop")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "functions", root / "functions", ignore=ignored)
    shutil.copy(REPOSITORY / "host.json", root)
    on_aws = request.param == "aws"
    with RunningHost(root, *(("--emulator", "aws") if on_aws else ())) as host:
        yield Shop(root, host, emulator_of(host) if on_aws else None)


def eventually(look: Callable[[], T]) -> T:
    """What `look` gives once that is true."""
    end = time.monotonic() + DEADLINE
    while not (found := look()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def test_every_sample_is_ready(shop: Shop) -> None:
    listed = json.loads(shop.told("list", "--json"))
    names = {path.parent.name for path in (REPOSITORY / "functions").glob("*/function.json")}
    assert names <= {one["name"] for one in listed}
    assert [one for one in listed if one["errors"]] == []
    states = {one["name"]: one["state"] for one in listed}
    assert [states[name] for name in ("fulfil", "notify", "orders")] == ["listening"] * 3


def test_an_order_by_http_leaves_a_receipt_and_a_notification(shop: Shop) -> None:
    assert request(shop.host, "/api/health") == (200, '{"status": "ok"}\n')
    wanted = shop.order(customer="ada", item="tea", quantity=2, price=4.5)
    assert shop.receipt(wanted) == {
        "orderId": wanted,
        "customer": "ada",
        "item": "tea",
        "quantity": 2,
        "total": "9.00",
    }

    def notified() -> list[dict[str, Any]]:
        return [one for one in shop.peeked("notifications") if wanted in one["body"]]

    [message] = eventually(notified)
    assert json.loads(message["body"]) == {
        "to": "ada",
        "orderId": wanted,
        "text": "2 x tea, 9.00 in all: on its way.",
    }
    assert message["state"] == "visible"


def test_a_csv_dropped_into_the_folder_becomes_orders(shop: Shop) -> None:
    (shop.root / "import").mkdir()
    shutil.copy(shop.root / "functions/import-orders/example.csv", shop.root / "import/monday.csv")
    totals = [shop.receipt(f"monday-{number}")["total"] for number in (1, 2, 3)]
    assert totals == ["9.00", "7.20", "3.50"]


def test_the_poison_order_is_set_aside_with_its_reason(shop: Shop) -> None:
    wanted = shop.order(customer="bob", item="tea", quantity="three", price=4.5)
    (message,) = eventually(lambda: shop.peeked("orders-poison"))
    assert json.loads(message["body"])["orderId"] == wanted
    reason = message["poison"]
    assert reason["error"] == "ValueError"
    assert "'three'" in reason["message"]
    assert reason["attempts"] == 6
    assert len(reason["runs"]) == reason["dequeueCount"] == 3
    shown = shop.told("queues", "peek", "orders-poison")
    assert "  given up: ValueError: invalid literal for int() with base 10: 'three'\n" in shown
    assert "    attempts  6 in 3 deliveries, from " in shown
    assert "    Traceback (most recent call last):\n" in shown
    # The embedded store keeps it for ever, SQS as long as it keeps any message.
    assert (message["expires"] is None) == (shop.aws is None)


def test_a_message_for_later_comes_later(shop: Shop) -> None:
    body = {"orderId": "later-1", "customer": "ada", "item": "tea", "quantity": 1, "price": 4.5}
    sent = time.monotonic()
    done = funchost("queues", "send", "orders", json.dumps(body), "--delay", "15s", "--root", shop.root)
    assert done.stderr.startswith(b"Sent 85 bytes to orders, to be seen from ")
    orders = shop.queues()["orders"]
    assert orders["delayed"] == 1
    # SQS does not tell how old the oldest message is.
    assert (orders["oldest"] is None) == (shop.aws is not None)
    assert shop.receipt("later-1")["total"] == "4.50"
    assert time.monotonic() - sent > 14.9


def test_the_timer_and_the_report_run_by_hand(shop: Shop) -> None:
    wanted = shop.order(customer="eve", item="cake", quantity=1, price=3)
    shop.receipt(wanted)
    assert shop.told("run", "totals") == ""
    assert shop.told("run", "report", "--data", "eve") == "eve: 3.00\n"
    spent = sum(float(receipt["total"]) for receipt in shop.receipts().values())
    *_, last = shop.told("run", "report").splitlines()
    assert last == f"{len(shop.receipts())} receipts, {spent:.2f} in all"


def test_a_new_function_is_live_without_a_restart(shop: Shop) -> None:
    shop.told("new", "hello", "--trigger", "http")
    answer = (200, "Hello, Ada!\n")
    eventually(lambda: request(shop.host, "/api/hello?name=Ada") == answer)


def test_a_renewed_key_tells_when_it_counts(shop: Shop) -> None:
    done = funchost("keys", "rotate", "default", "--root", shop.root)
    assert done.returncode == 0
    when = b"when it is used" if shop.aws else b"at once"
    assert b"take it up " + when in done.stderr
