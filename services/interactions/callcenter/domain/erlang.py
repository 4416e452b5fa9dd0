"""Queueing formulae for a call center: how long callers wait when so many agents answer.

Times are seconds, offered load is in erlangs: calls that arrive during one handling time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, floor, fsum, log
from typing import ClassVar

from libs.chassis.domain import InvalidArgument

_NEGLIGIBLE = 40.0
"""Logarithm of how much less likely than the likeliest a queue is to be left out of a sum."""


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

    def _waiting(self) -> tuple[float, ...]:
        return _waiting(self.offered, self.agents, self.handling_time / self.patience)

    @property
    def wait_probability(self) -> float:
        """Share of callers who do not get an agent at once."""
        return fsum(self._waiting())

    @property
    def mean_queue(self) -> float:
        """Callers who wait, on average over time."""
        return fsum(n * share for n, share in enumerate(self._waiting()))

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

        ended = self.agents * self.patience / self.handling_time
        left = exp(-within / self.patience)
        in_time = fsum(
            share * ended / (ended + n + 1) * (1 - float(betainc(ended + 1, n + 1, left)))
            for n, share in enumerate(self._waiting())
        )
        return 1 - self.wait_probability + in_time


@lru_cache(maxsize=256)
def _waiting(offered: float, agents: int, relief: float) -> tuple[float, ...]:
    """Probability that all agents are busy and n callers wait, for every n that matters.

    `relief` is the rate at which one caller gives up over the rate at which one agent ends calls. Weights are relative
    to the state without a queue and kept as logarithms: an overloaded queue has states 10^300 times as likely.
    """
    busy = blocking(offered, agents)
    if not busy:
        return ()
    logarithms = [0.0]
    while logarithms[-1] > max(logarithms) - _NEGLIGIBLE:
        logarithms.append(logarithms[-1] + log(offered / (agents + len(logarithms) * relief)))
    top = max(logarithms)
    weights = [exp(each - top) for each in logarithms]
    everything = fsum(weights) + (1 / busy - 1) * exp(-top)
    return tuple(weight / everything for weight in weights)


Queue = Patient | Impatient


def queue(offered: float, agents: int, handling_time: float, patience: float | None = None) -> Queue:
    """The model that fits: Erlang A when it is known how long callers wait before they give up, else Erlang C."""
    if patience is None:
        return Patient(offered=offered, agents=agents, handling_time=handling_time)
    return Impatient(offered=offered, agents=agents, handling_time=handling_time, patience=patience)
