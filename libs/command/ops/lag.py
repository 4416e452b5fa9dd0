"""The lag of consumers: RabbitMQ's queues, put together by service and subscription.

A queue cannot be asked for the age of its head: quorum queues do not tell it, and taking a message to look at it would
count as a delivery. But queues are first in, first out, so those that wait are those that came last: the head came when
the counter of arrivals passed `arrived - waiting`. The broker keeps samples of that counter for an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from libs.command.ops.findings import Finding, span
from libs.engine.bus.topology import UNROUTED

STILL: Final = 60.0
"""Seconds that events may wait while none leaves, until that is called standing still."""

_WORK = re.compile(r"(?P<service>[a-z]+)\.(?P<subscription>.+)\.(?P<part>\d+|dead)")
_RETRY = re.compile(r".+\.retry\.(?P<delay>\d+)(?P<unit>m?s)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue at one moment. None is what the broker did not tell."""

    name: str
    ready: int
    """Events that wait."""
    unacked: int | None = None
    """Events that a consumer works on."""
    consumers: int = 0
    rate_in: float | None = None
    """Events per second that arrived, over the last minute."""
    rate_out: float | None = None
    """Events per second that were dealt with, over the last minute."""
    oldest: float | None = None
    """Seconds that the first of those that wait has waited."""
    at_least: bool = False
    """`oldest` is only known to be longer."""


@dataclass(slots=True)
class Subscription:
    """The queues of one subscription."""

    service: str
    name: str
    parts: list[Queue] = field(default_factory=list)
    """Partitions, in order."""
    parked: int = 0

    @property
    def total(self) -> Queue:
        """All partitions as if they were one queue. Its consumers are those of the partition with fewest."""
        waiting = [part for part in self.parts if part.oldest is not None]
        longest = max(waiting, key=lambda part: (part.oldest or 0, part.at_least), default=None)
        return Queue(
            name=f"{self.service}.{self.name}",
            ready=sum(part.ready for part in self.parts),
            unacked=_sum(part.unacked for part in self.parts),
            consumers=min((part.consumers for part in self.parts), default=0),
            rate_in=_sum(part.rate_in for part in self.parts),
            rate_out=_sum(part.rate_out for part in self.parts),
            oldest=longest.oldest if longest else None,
            at_least=longest.at_least if longest else False,
        )


@dataclass(frozen=True, slots=True)
class Lag:
    """The queues of the suite."""

    source: str
    """Source of the figures, for example `RabbitMQ 3.10.8`."""
    subscriptions: Sequence[Subscription]
    retrying: Sequence[Queue]
    """Queues in which events wait for another attempt, on purpose."""
    unrouted: Queue | None
    others: int
    """Queues that belong to somebody else."""

    def findings(self, max_wait: float) -> Iterator[Finding]:
        """Yields what is wrong. `max_wait` is how many seconds an event may wait in its queue."""
        for each in self.subscriptions:
            yield from _findings(each, max_wait)
        if self.unrouted is not None and self.unrouted.ready:
            yield Finding(
                UNROUTED, f"{self.unrouted.ready} events found no queue", "run `kehu SERVICE migrate` of every service"
            )

    def as_json(self, max_wait: float) -> dict[str, Any]:
        """For programs: one object per queue, grouped."""
        return {
            "source": self.source,
            "subscriptions": [
                {
                    "service": each.service,
                    "subscription": each.name,
                    "parked": each.parked,
                    "queues": [_json(part) for part in each.parts],
                }
                for each in self.subscriptions
            ],
            "retrying": [_json(queue) for queue in self.retrying],
            "unrouted": self.unrouted.ready if self.unrouted else None,
            "findings": [finding.as_json() for finding in self.findings(max_wait)],
        }


def group(queues: Iterable[Queue], source: str) -> Lag:
    """Sorts queues by what their names say. See `libs.engine.bus.topology`."""
    found: dict[tuple[str, str], Subscription] = {}
    retrying, others, unrouted = list[tuple[int, Queue]](), 0, None
    for queue in queues:
        if match := _WORK.fullmatch(queue.name):
            key = match["service"], match["subscription"]
            one = found.setdefault(key, Subscription(*key))
            if match["part"] == "dead":
                one.parked = queue.ready
            else:
                one.parts.append(queue)
        elif match := _RETRY.fullmatch(queue.name):
            retrying.append((int(match["delay"]) * (1 if match["unit"] == "ms" else 1000), queue))
        elif queue.name == UNROUTED:
            unrouted = queue
        else:
            others += 1
    for one in found.values():
        one.parts.sort(key=lambda part: int(part.name.rpartition(".")[2]))
    waiting = [queue for _, queue in sorted(retrying, key=lambda each: (each[0], each[1].name))]
    return Lag(source, [found[key] for key in sorted(found)], waiting, unrouted, others)


def queue_from(told: Mapping[str, Any]) -> Queue:
    """A queue as the management API tells of it."""
    stats = told.get("message_stats", {})
    ready = int(told.get("messages_ready", 0))
    age, at_least = age_of_head(ready, stats.get("publish_details", {}), told.get("messages_ready_details", {}))
    return Queue(
        name=told["name"],
        ready=ready,
        unacked=int(told.get("messages_unacknowledged", 0)),
        consumers=int(told.get("consumers", 0)),
        rate_in=_rate(stats.get("publish_details")),
        rate_out=_rate(stats.get("ack_details")),
        oldest=age,
        at_least=at_least,
    )


def age_of_head(ready: int, arrived: Mapping[str, Any], waiting: Mapping[str, Any]) -> tuple[float | None, bool]:
    """(seconds that the head of a queue has waited, whether that is only the least). None without samples.

    `arrived` holds samples of the number of events that ever came, `waiting` of the number that waited; events that
    come back from a retry are not counted as arrivals, so the head is never older than the last moment without any.
    """
    if not ready:
        return None, False
    ages = [age for age in (_age(arrived, ready), _age(waiting, None)) if age is not None]
    return min(ages, default=(None, False))


def _age(details: Mapping[str, Any], ready: int | None) -> tuple[float, bool] | None:
    """The time since a counter passed its last value less `ready`. Without `ready`, since it was last nought."""
    samples = sorted(((s["timestamp"] / 1000, s["sample"]) for s in details.get("samples", ())), reverse=True)
    if not samples:
        return None
    now, last = samples[0]
    limit = 0 if ready is None else last - ready
    for at, value in samples:
        if value <= limit:
            return now - at, False
    return now - samples[-1][0], True


def _findings(subscription: Subscription, max_wait: float) -> Iterator[Finding]:
    total = subscription.total
    name, log = total.name, f"the log of the {subscription.service} worker tells why"
    idle = [part.name for part in subscription.parts if not part.consumers]
    if idle:
        nobody = name if len(idle) == len(subscription.parts) else f"{len(idle)} of its partitions"
        state = f"nobody consumes {nobody}, {total.ready} events wait"
        yield Finding(name, state, f"start `kehu {subscription.service} worker`, or see `kehu ops status`")
    elif total.oldest is not None and total.oldest >= STILL and total.rate_out == 0:
        yield Finding(name, f"stands still: {total.ready} events wait and none leaves", log)
    elif total.oldest is not None and total.oldest > max_wait:
        waited = span(total.oldest, at_least=total.at_least)
        yield Finding(name, f"{total.ready} events wait, the first for {waited}", f"add workers, or {log}")
    if subscription.parked:
        advice = f"`kehu parked list {name}` shows what could not be handled and why"
        yield Finding(name, f"{subscription.parked} events are parked", advice)


def _json(queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "ready": queue.ready,
        "unacked": queue.unacked,
        "consumers": queue.consumers,
        "rate_in": queue.rate_in,
        "rate_out": queue.rate_out,
        "oldest_seconds": queue.oldest,
        "oldest_at_least": queue.at_least,
    }


def _rate(details: Mapping[str, Any] | None) -> float:
    return float(details.get("avg_rate", details.get("rate", 0.0))) if details else 0.0


def _sum(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
