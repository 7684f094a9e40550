"""A stand-in for an OpenTelemetry collector: takes what exporters send, on this machine."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Collector(HTTPServer):
    """Takes what an exporter sends."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.status = status
        self.taken: list[tuple[str, bytes, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def bodies(self, path: str) -> list[bytes]:
        return [body for where, body, _ in self.taken if where == path]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.taken.append((self.path, body, dict(self.headers)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass
