"""The steps that hosts take on leases, whatever store keeps them, each compared with a simple model.

The model knows for each name who holds it until when, and the highest fence there was.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, multiple
from model.hosts import WallClock
from model.schedules import chosen_by, step

from funchost.bindings.lease import Lease, LeaseStore

T = TypeVar("T")

NAMES = ("totals", "tick")

periods = st.sampled_from([timedelta(seconds=15), timedelta(seconds=5), timedelta(minutes=1)])
#: One second less than a lease lasts, one more, and others.
passing = st.sampled_from([timedelta(seconds=seconds) for seconds in (14, 4, 1, 6, 16, 120)])
settings_of_clocks = st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=-1), timedelta(hours=1)])


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """A lease as it was given, and to which life of which host."""

    lease: Lease
    host: str
    owner: str

    def __repr__(self) -> str:
        return f"<{self.lease.name}, to {self.owner}>"


class LeaseMachine(RuleBasedStateMachine):
    """Leases of two names."""

    grants: Bundle[Grant] = Bundle("grants")

    #: Whether a lease that has ended by itself is given to the first who asks then.
    ends_on_time = True

    def __init__(self, clock: WallClock) -> None:
        super().__init__()
        self.clock = clock
        self.is_whole = True
        #: Who holds each name, and until when on the monotonic clock.
        self.held: dict[str, tuple[Grant, float]] = {}
        self.highest: dict[str, int] = {}

    # -- of each kind of store

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        """Take a step to its end."""
        raise NotImplementedError

    def leases(self, host: str) -> LeaseStore:
        """The store as this host has it."""
        raise NotImplementedError

    def owner(self, host: str) -> str:
        """The host's name in this life."""
        raise NotImplementedError

    def awake(self) -> list[str]:
        """The hosts that do what they are told."""
        raise NotImplementedError

    def acts(self, grant: Grant) -> bool:
        """Whether who got it still lives."""
        return grant.host in self.awake() and self.owner(grant.host) == grant.owner

    # -- steps

    @step("awake", target=grants, host=chosen_by("awake"), name=st.sampled_from(NAMES), period=periods)
    def acquire(self, host: str, name: str, period: timedelta) -> MultipleResults[Grant]:
        holder = self.held.get(name)
        lease = self.do(self.leases(host).acquire(name, self.owner(host), period))
        if lease is None:
            must_be_free = holder is None or (self.ends_on_time and not self.is_held(name))
            assert not must_be_free, f"{name} was refused though nobody holds it"
            return multiple()
        assert not self.is_held(name), f"{name} was given to two: {holder} and {lease}"
        assert (lease.name, lease.owner) == (name, self.owner(host))
        assert lease.fence > self.highest.get(name, 0), "the fence must grow"
        grant = Grant(lease, host, lease.owner)
        self.highest[name] = lease.fence
        self.held[name] = grant, self.clock.monotonic() + period.total_seconds()
        return multiple(grant)

    @step(grant=grants, period=periods)
    def renew(self, grant: Grant, period: timedelta) -> None:
        if not self.acts(grant):
            return
        is_good = self.holds(grant)
        assert self.do(self.leases(grant.host).renew(grant.lease, period)) == is_good
        if is_good:
            self.held[grant.lease.name] = grant, self.clock.monotonic() + period.total_seconds()

    @step(grant=grants)
    def release(self, grant: Grant) -> None:
        if not self.acts(grant):
            return
        self.do(self.leases(grant.host).release(grant.lease))
        holder = self.held.get(grant.lease.name)
        if holder and holder[0] is grant and self.is_freed_by_release(grant):
            del self.held[grant.lease.name]

    @step("awake", host=chosen_by("awake"), name=st.sampled_from(NAMES))
    def break_(self, host: str, name: str) -> None:
        was_held = self.is_held(name)
        broken = self.do(self.leases(host).break_(name))
        assert broken or not was_held, f"{name} is held, and was not broken"
        if broken:
            self.held.pop(name, None)

    @step(by=passing, set_by=settings_of_clocks)
    def time_passes(self, by: timedelta, set_by: timedelta) -> None:
        """Goes on `by`; the wall clock is set `set_by` besides, which must not matter."""
        self.clock.advance(by)
        self.clock.set(set_by)

    # -- looking

    def is_held(self, name: str) -> bool:
        """Whether somebody surely holds it now."""
        return name in self.held and self.held[name][1] > self.clock.monotonic()

    def holds(self, grant: Grant) -> bool:
        """Whether the lease is still the one that was given."""
        holder = self.held.get(grant.lease.name)
        return bool(holder) and holder is not None and holder[0] is grant and self.is_held(grant.lease.name)

    def is_freed_by_release(self, grant: Grant) -> bool:
        """Whether its store must find it free from now on: always, unless it does not know it any more."""
        return True

    def compare(self) -> None:
        """Each step compares what it is told; there is nothing else to see."""
