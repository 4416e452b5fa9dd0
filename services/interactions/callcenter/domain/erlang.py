"""Queueing formulae for a call center: how long callers wait when so many agents answer.

Times are seconds, offered load is in erlangs: calls that arrive during one handling time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, floor
from typing import ClassVar

from libs.chassis.domain import InvalidArgument

_NEGLIGIBLE = 1e-15
"""Probability below which longer queues are left out of a sum."""


class UnstableQueue(InvalidArgument):
    """{agents} agents cannot handle {offered} erlangs: at least {least} are needed."""

    wrong_field: ClassVar[str] = "agents"
    agents: int
    offered: float
    least: int


def blocking(offered: float, agents: int) -> float:
    """Share of calls that find every agent busy when none may wait (Erlang B, 1917), by its recursion."""
    share = 1.0
    for k in range(1, agents + 1):
        share = offered * share / (k + offered * share)
    return share


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A queue whose callers wait for as long as it takes (Erlang C, 1917).

    UnstableQueue when the agents cannot handle what is offered.
    """

    offered: float
    agents: int
    handling_time: float

    def __post_init__(self) -> None:
        if self.handling_time <= 0 or self.offered < 0:
            raise ValueError(f"no load: {self.offered} erlangs of {self.handling_time} s")
        if self.agents <= self.offered:
            raise UnstableQueue(agents=self.agents, offered=self.offered, least=floor(self.offered) + 1)

    @property
    def wait_probability(self) -> float:
        """Share of callers who do not get an agent at once."""
        busy = blocking(self.offered, self.agents)
        return busy / (1 - self.offered / self.agents * (1 - busy))

    def service_level(self, within: float) -> float:
        """Share of callers who are answered within so many seconds."""
        return 1 - self.wait_probability * exp(-(self.agents - self.offered) * within / self.handling_time)

    @property
    def mean_wait(self) -> float:
        """Average speed of answer over all callers, in seconds."""
        return self.wait_probability * self.handling_time / (self.agents - self.offered)

    @property
    def abandoned(self) -> float:
        """Share of callers who give up: nobody does."""
        return 0.0

    @property
    def occupancy(self) -> float:
        """Share of their time in which agents handle calls."""
        return self.offered / self.agents


@dataclass(frozen=True, slots=True, kw_only=True)
class Impatient:
    """A queue whose callers give up (Erlang A: Palm 1957; Garnett, Mandelbaum and Reiman 2002).

    Patience is exponential. Such a queue is stable with any number of agents above zero.
    """

    offered: float
    agents: int
    handling_time: float
    patience: float
    """Mean time after which a caller who waits gives up, in seconds."""

    def __post_init__(self) -> None:
        if min(self.handling_time, self.patience) <= 0 or self.offered < 0:
            raise ValueError(f"no load: {self.offered} erlangs of {self.handling_time} s, patience {self.patience} s")
        if self.agents < 1:
            raise UnstableQueue(agents=self.agents, offered=self.offered, least=1)

    def _queues(self) -> Iterator[tuple[int, float]]:
        """(callers who wait, probability of that state relative to all agents busy and nobody waiting)."""
        relief = self.handling_time / self.patience
        waiting, weight, total = 0, 1.0, 1.0
        while weight > _NEGLIGIBLE * total:
            yield waiting, weight
            waiting += 1
            weight *= self.offered / (self.agents + waiting * relief)
            total += weight

    def _of_all(self, weight: float) -> float:
        """Probability of what has this weight relative to all agents busy and nobody waiting."""
        everything = 1 / blocking(self.offered, self.agents) + sum(each for n, each in self._queues() if n)
        return weight / everything

    @property
    def wait_probability(self) -> float:
        """Share of callers who do not get an agent at once."""
        return self._of_all(sum(weight for _, weight in self._queues())) if self.offered else 0.0

    @property
    def mean_queue(self) -> float:
        """Callers who wait, on average over time."""
        return self._of_all(sum(n * weight for n, weight in self._queues())) if self.offered else 0.0

    @property
    def mean_wait(self) -> float:
        """Mean wait over all callers, answered or not, in seconds (Little's law)."""
        return self.mean_queue * self.handling_time / self.offered if self.offered else 0.0

    @property
    def abandoned(self) -> float:
        """Share of callers who give up."""
        return self.mean_wait / self.patience

    @property
    def occupancy(self) -> float:
        """Share of their time in which agents handle calls."""
        return self.offered * (1 - self.abandoned) / self.agents

    def service_level(self, within: float) -> float:
        """Share of all callers who are answered within so many seconds.

        For a caller behind n others, exp(-wait/patience) has the distribution Beta(c, n+1), with c the calls that all
        agents end during one patience: the sum of exponential times whose rates grow by one abandonment each.
        """
        from scipy.special import betainc

        if not self.offered:
            return 1.0
        ended = self.agents * self.patience / self.handling_time
        left = exp(-within / self.patience)
        in_time = sum(
            weight * ended / (ended + n + 1) * (1 - float(betainc(ended + 1, n + 1, left)))
            for n, weight in self._queues()
        )
        return 1 - self.wait_probability + self._of_all(in_time)


Queue = Patient | Impatient


def queue(offered: float, agents: int, handling_time: float, patience: float | None = None) -> Queue:
    """The model that fits: Erlang A when it is known how long callers wait before they give up, else Erlang C."""
    if patience is None:
        return Patient(offered=offered, agents=agents, handling_time=handling_time)
    return Impatient(offered=offered, agents=agents, handling_time=handling_time, patience=patience)
