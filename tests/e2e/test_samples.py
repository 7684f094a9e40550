"""The sample functions, as the README walks through them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunningHost]]:
    """The samples in a folder of their own, served."""
    root = tmp_path_factory.mktemp("shop")
    shutil.copytree(
        REPOSITORY / "functions", root / "functions", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(REPOSITORY / "host.json", root)
    with RunningHost(root) as host:
        yield root, host


def post(host: RunningHost, **order: Any) -> tuple[int, dict[str, str]]:
    request = Request(f"{host.url}/api/orders", data=json.dumps(order).encode())
    with urlopen(request, timeout=DEADLINE) as response:
        return response.status, json.loads(response.read())


def eventually(look: Any) -> Any:
    """What `look` gives once that is true."""
    end = time.monotonic() + DEADLINE
    while not (found := look()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def receipt(root: Path, order_id: str) -> dict[str, Any]:
    path = root / ".funchost/blobs/receipts" / f"{order_id}.json"
    eventually(path.exists)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def peeked(root: Path, queue: str) -> list[dict[str, Any]]:
    done = funchost("queues", "peek", queue, "--json", "-n", "50", "--root", root)
    if done.returncode == 5:
        return []
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_an_order_by_http_leaves_a_receipt_and_a_notification(shop: tuple[Path, RunningHost]) -> None:
    root, host = shop
    status, answer = post(host, customer="ada", item="tea", quantity=2, price=4.5)
    assert status == 202
    assert receipt(root, answer["orderId"])["total"] == "9.00"
    wanted = answer["orderId"]
    eventually(lambda: [one for one in peeked(root, "notifications") if wanted in one["body"]])


def test_a_csv_dropped_into_the_folder_becomes_orders(shop: tuple[Path, RunningHost]) -> None:
    root, _ = shop
    (root / "import").mkdir()
    shutil.copy(root / "functions/import-orders/example.csv", root / "import/monday.csv")
    totals = [receipt(root, f"monday-{number}")["total"] for number in (1, 2, 3)]
    assert totals == ["9.00", "7.20", "3.50"]


def test_the_poison_order_is_set_aside_with_its_reason(shop: tuple[Path, RunningHost]) -> None:
    root, host = shop
    _, answer = post(host, customer="bob", item="tea", quantity="three", price=4.5)
    (message,) = eventually(lambda: peeked(root, "orders-poison"))
    assert json.loads(message["body"])["orderId"] == answer["orderId"]
    reason = message["poison"]
    assert reason["error"] == "ValueError"
    assert "'three'" in reason["message"]
    assert reason["attempts"] == 6
    assert len(reason["runs"]) == reason["dequeueCount"] == 3


def test_the_timer_and_the_report_run_by_hand(shop: tuple[Path, RunningHost]) -> None:
    root, host = shop
    post(host, customer="eve", item="cake", quantity=1, price=3)
    eventually(lambda: "eve" in host.log)
    eventually(lambda: len(list((root / ".funchost/blobs/receipts").glob("*.json"))) >= 1)

    def reported() -> str:
        assert funchost("run", "totals", "--root", root).returncode == 0
        done = funchost("run", "report", "--data", "eve", "--root", root)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip() if b"3.00" in done.stdout else ""

    assert eventually(reported) == "eve: 3.00"


def test_a_new_function_is_live_without_a_restart(shop: tuple[Path, RunningHost]) -> None:
    root, host = shop
    assert funchost("new", "hello", "--trigger", "http", "--root", root).returncode == 0

    def answer() -> bytes:
        try:
            with urlopen(f"{host.url}/api/hello?name=Ada", timeout=DEADLINE) as response:
                content: bytes = response.read()
                return content
        except OSError:
            return b""

    assert eventually(answer) == b"Hello, Ada!\n"


def test_every_sample_listens(shop: tuple[Path, RunningHost]) -> None:
    root, _ = shop
    listed = json.loads(funchost("list", "--json", "--root", root).stdout)
    names = {path.parent.name for path in (REPOSITORY / "functions").glob("*/function.json")}
    assert names <= {one["name"] for one in listed}
    assert [one for one in listed if one["errors"]] == []
