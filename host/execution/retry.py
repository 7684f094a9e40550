"""How long to wait before the next attempt inside one delivery (functions-semantics, section 9)."""

from __future__ import annotations

import random
from datetime import timedelta

from ...triggers.descriptor import RetryPolicy, RetryStrategy


def delay_before(policy: RetryPolicy | None, retry: int, choose: random.Random) -> timedelta | None:
    """The wait before the given retry (1 is the second attempt), or None to give up."""
    if policy is None or (policy.max_retry_count != -1 and retry > policy.max_retry_count):
        return None
    if policy.strategy is RetryStrategy.FIXED_DELAY:
        return policy.delay_interval
    if retry == 1:
        return policy.minimum_interval
    # The exponent stops growing where the result would be cut anyway.
    factor: int = 2 ** min(retry - 2, 40)
    grown = policy.minimum_interval.total_seconds() * (1 + choose.uniform(0.8, 1.2) * factor)
    return timedelta(seconds=min(grown, policy.maximum_interval.total_seconds()))
