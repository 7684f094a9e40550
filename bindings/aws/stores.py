"""The stores on AWS that connections lead to, each made when it is first asked for."""

from __future__ import annotations

import importlib.util

from ..clock import Clock
from ..errors import ConfigurationError
from .session import AwsSession
from .settings import AwsSettings
from .sqs_queue import SqsQueues


class AwsStores:
    """One store for each connection that says the same, however many functions use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[AwsSettings, AwsSession] = {}
        self._queues: dict[AwsSettings, SqsQueues] = {}

    def queues(self, settings: AwsSettings) -> SqsQueues:
        """Its queues. Raises `ConfigurationError` where boto3 is missing; whether AWS can be reached shows later."""
        if settings not in self._queues:
            self._queues[settings] = SqsQueues(self.session(settings), self._clock)
        return self._queues[settings]

    def session(self, settings: AwsSettings) -> AwsSession:
        """Its clients. Raises `ConfigurationError` where boto3 is missing."""
        if importlib.util.find_spec("boto3") is None:
            raise ConfigurationError(
                f"The connection '{settings.name}' leads to AWS, for which boto3 is missing. Install it into the "
                "host's environment: pip install funchost[aws].",
                key="connection",
            )
        if settings not in self._sessions:
            self._sessions[settings] = AwsSession(settings)
        return self._sessions[settings]

    def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            session.close()
