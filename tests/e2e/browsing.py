"""A real browser, without a screen, and a website for it to visit."""

from __future__ import annotations

import contextlib
import html
import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

#: A page that tries what a hostile one would, on the host at an address, and then shows what it got.
ATTACK = """<!doctype html><p id=told>nothing</p><script>
const base = %r, told = [];
async function attempt(name, options, path) {
  try {
    const answer = await fetch(base + path, options);
    told.push(name + ":" + answer.status + ":" + (await answer.text()).replace(/\\s+/g, " "));
  } catch (error) { told.push(name + ":failed"); }
}
(async () => {
  const run = {method: "POST", body: '{"input": "evil"}'};
  await attempt("keys", {}, "/admin/host/systemkeys/_master");
  await attempt("run", run, "/admin/functions/work");
  await attempt("json", {...run, headers: {"Content-Type": "application/json"}}, "/admin/functions/work");
  await attempt("silent", {...run, mode: "no-cors"}, "/admin/functions/work");
  await attempt("home", {}, "/");
  document.getElementById("told").textContent = told.join("\\n");
})();
</script>"""


def visited(url: str, profile: Path) -> list[str]:
    """What a page tells after a real browser has run it; `rebound.example` leads to this machine."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no browser")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom")
    rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    command = [browser, *flags, rules, f"--user-data-dir={profile}", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = re.search(r'<p id="told">(.*?)</p>', done.stdout, re.DOTALL)
    assert told, done.stdout + done.stderr
    return html.unescape(told[1]).split("\n")


@contextlib.contextmanager
def site(page: str) -> Iterator[str]:
    """A website with one page; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
