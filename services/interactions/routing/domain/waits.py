"""Estimates of how long somebody in a queue still has to wait, and how often they held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Time until somebody is served, in seconds."""

    mean: float
    p50: float
    """Half of such callers wait no longer."""
    p90: float
    """Nine of ten such callers wait no longer. The time that is told to them."""


def estimated_wait(ahead: int, agents: int, handling_time: float) -> Wait | None:
    """Wait behind so many others while all agents are busy. None without an agent: nobody knows.

    Work ends at the rate agents / handling time, and ahead + 1 pieces of it have to: an Erlang distribution.
    """
    from scipy.special import gammaincinv

    if agents < 1:
        return None
    per_item = handling_time / agents
    p50, p90 = (float(gammaincinv(ahead + 1, share)) * per_item for share in (0.5, 0.9))
    return Wait(mean=(ahead + 1) * per_item, p50=p50, p90=p90)


def coverage(waits: Iterable[tuple[float, float]]) -> tuple[int, int]:
    """(people who waited no longer than they were told, people) over (told, waited)."""
    kept = [waited <= told for told, waited in waits]
    return sum(kept), len(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitEstimate:
    """Wait of whoever comes now, and how often such words held."""

    known: bool = False
    ahead: int = 0
    agents: int = 0
    handling_seconds: float = 0.0
    measured: int = 0
    mean_seconds: float = 0.0
    p50_seconds: float = 0.0
    p90_seconds: float = 0.0
    told: int = 0
    held_p50: int = 0
    held_p90: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """State of a queue."""

    queue_id: str
    display_name: str
    open: bool
    open_time: datetime | None
    waiting: int
    offered: int
    callbacks: int
    handled: int
    oldest_enqueue_time: datetime | None
    available_agents: int
    busy_agents: int
    away_agents: int
    estimate: WaitEstimate
    as_of_time: datetime
