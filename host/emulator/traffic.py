"""What is asked of the emulator, seen from before moto: whether anything changed, and which services are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

#: The service in the scope of a signature: ``Credential=…/20300131/eu-west-1/sqs/aws4_request``.
_SERVICE = re.compile(r"Credential=[^,]*/([^/,]+)/aws4_request")

#: Operations that change nothing that is kept: what was received and not deleted comes again.
_LOOKS = re.compile(r"AmazonSQS\.(Receive|Get|List)")

#: A WSGI application.
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Traffic:
    """Stands before an application, and looks at the requests as they pass."""

    def __init__(self, application: Application) -> None:
        self._application = application
        #: Grows with each request that may have changed something.
        self.changes = 0
        #: Names as in signatures, such as ``sqs``.
        self.services: set[str] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if found := _SERVICE.search(environ.get("HTTP_AUTHORIZATION", "")):
            self.services.add(found[1].lower())
        looks = environ["REQUEST_METHOD"] in ("GET", "HEAD") or _LOOKS.match(
            environ.get("HTTP_X_AMZ_TARGET", "")
        )
        try:
            return self._application(environ, start_response)
        finally:
            # Afterwards: who saves in between may not have seen the change, and is to save again.
            self.changes += not looks
