"""``/healthz``, ``/readyz`` and ``/metrics``: what keeps an eye on a host asks them, also while it starts.

The first two are open to everybody and tell strangers nothing but yes or no; the reasons, and the metrics, are for
whoever may use the admin API.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp.web import BaseRequest

from ..bindings.errors import StoreError
from ..triggers.http_response import JSON, Reply
from .admin.caller import is_developers, is_foreign
from .metrics.health import Check, Health
from .metrics.measures import Meter

if TYPE_CHECKING:
    from .host import Host

_NO_STORE = ("Cache-Control", "no-store")
_BEARER = "bearer "


class Probes:
    """Answers for one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._health = Health(host)
        self._meter = Meter(host, self._health)

    async def answer(self, request: BaseRequest, name: str) -> Reply:
        """The reply to a request for one of `http_front.PROBES`. Never raises."""
        if request.method not in ("GET", "HEAD"):
            return Reply(405, (("Allow", "GET, HEAD"),))
        if name == "healthz":
            return _json(200, {"status": "live"})
        try:
            refusal = self._refusal(request)
        except StoreError:
            refusal = Reply(503, (("Retry-After", "1"),))
        return await (self._ready(refusal is None) if name == "readyz" else self._metrics(refusal))

    async def _ready(self, with_reasons: bool) -> Reply:
        checks = await self._health.checks()
        is_ready = all(check.trouble is None for check in checks)
        document: dict[str, Any] = {"status": "ready" if is_ready else "not-ready"}
        if with_reasons:
            document["checks"] = [_check_document(check) for check in checks]
        return _json(200 if is_ready else 503, document)

    async def _metrics(self, refusal: Reply | None) -> Reply:
        if refusal is not None:
            return refusal
        measures = await self._meter.measure()

        def text() -> tuple[str, bytes]:
            from .metrics.exposition import CONTENT_TYPE, exposition  # 70 ms, and only who scrapes needs it

            return CONTENT_TYPE, exposition(measures)

        kind, body = await asyncio.to_thread(text)
        return Reply(200, (("Content-Type", kind), _NO_STORE), body)

    def _refusal(self, request: BaseRequest) -> Reply | None:
        """As of the admin API. Raises `StoreError` while no keys are known."""
        if is_foreign(request.headers):
            return Reply(403)
        if is_developers(self._host.configuration, request.headers):
            return None
        return None if self._host.keys.authorize(_key(request), "admin", "") else Reply(401)


def _key(request: BaseRequest) -> str | None:
    """The key as of any caller, or as Prometheus sends it by its own settings."""
    authorization = request.headers.get("Authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return request.headers.get("x-functions-key") or request.query.get("code")


def _check_document(check: Check) -> dict[str, Any]:
    return {"name": check.name, "ok": check.trouble is None, "reason": check.trouble}


def _json(status: int, document: dict[str, Any]) -> Reply:
    return Reply(status, (JSON, _NO_STORE), msgspec.json.encode(document))
