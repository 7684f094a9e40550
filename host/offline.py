"""`app_offline.htm` in the app root: while it is there, the app serves nobody and callers are shown it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..bindings.errors import ConfigurationError

OFFLINE_FILE = "app_offline.htm"

#: Seconds between two looks for a file that was put there or taken away by hand.
LOOK_INTERVAL = 1.0

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Offline</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem; }
</style>
<h1>This app is offline</h1>
<p>It was taken out of service for a while. Please try again later.</p>
</html>
"""


class OfflineFile:
    """The file of one app."""

    def __init__(self, root: Path) -> None:
        self._path = root / OFFLINE_FILE

    def page(self) -> bytes | None:
        """What callers are to be shown; None where the file is not there."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            # It is there, though we may not read it: that the app is not to be served is clear enough.
            return _PAGE.encode()

    def put(self) -> None:
        """Put a page there. Raises `ConfigurationError` where the app root cannot be written to."""
        self._change(lambda: self._path.write_text(_PAGE, "utf-8"))

    def remove(self) -> None:
        """Take the page away, whoever put it there. Raises `ConfigurationError` where that cannot be done."""
        self._change(lambda: self._path.unlink(missing_ok=True))

    def _change(self, step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as error:
            message = f"{self._path} cannot be changed: {error.strerror}."
            raise ConfigurationError(message) from error
