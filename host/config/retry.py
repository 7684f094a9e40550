"""A retry policy as it is written, of the app or of one function, made the policy that it stands for."""

from __future__ import annotations

from datetime import timedelta

from ...bindings.errors import ConfigurationError
from ...triggers.descriptor import RetryPolicy, RetryStrategy
from .host_models import RetryFields

_NO_TIME = timedelta(0)

_NEEDED: dict[RetryStrategy, tuple[str, ...]] = {
    RetryStrategy.FIXED_DELAY: ("delayInterval",),
    RetryStrategy.EXPONENTIAL_BACKOFF: ("minimumInterval", "maximumInterval"),
}


def retry_policy(fields: RetryFields) -> RetryPolicy:
    """The checked retry policy. Raises `ConfigurationError` with the key that is missing or contradicts."""
    strategy = RetryStrategy(fields.strategy)
    for key in _NEEDED[strategy]:
        if getattr(fields, key) is None:
            raise ConfigurationError(f"A retry policy of {strategy} needs '{key}'.", key=key)
    least, most = fields.minimumInterval or _NO_TIME, fields.maximumInterval or _NO_TIME
    if strategy is RetryStrategy.EXPONENTIAL_BACKOFF and least > most:
        raise ConfigurationError("'minimumInterval' is longer than 'maximumInterval'.", key="minimumInterval")
    return RetryPolicy(
        strategy=strategy,
        max_retry_count=fields.maxRetryCount,
        delay_interval=fields.delayInterval or _NO_TIME,
        minimum_interval=least,
        maximum_interval=most,
    )
