"""Figures about the answers as a whole: how many came, how well items belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from libs.statistics.agreement import cronbach_alpha, standardized_alpha
from libs.statistics.estimates import Estimate, share


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Internal consistency of several items."""

    items: tuple[str, ...]
    respondents: int
    alpha: float | None
    """Cronbach's alpha. None of fewer than two items or without variance."""
    standardized_alpha: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRate:
    """Invitations of a wave by what became of them."""

    states: Mapping[str, int] = field(default_factory=dict)
    """State → invitations."""
    reached: int
    """Invitations that could be answered. One that bounced does not count as unanswered."""
    answered: int
    rate: Estimate | None
    """Share of those reached who answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SufferingItems:
    """Items that tell of silent sufferers, each by its key."""

    problem: str
    """Item that asks if there was a problem."""
    told_us: str
    """Item that asks if the company was told."""
    handled: str = ""
    """Item that asks how it was handled, with the options `satisfied`, `mollified` and `dissatisfied`."""
    buys_again: str = ""
    """Item that asks for the intention to buy again."""
    yes: str = "yes"
    """Option that means yes."""


NOT_REACHED = ("INELIGIBLE", "BOUNCED", "SUPERSEDED")
"""States of invitations that nobody could answer."""
ANSWERED = ("COMPLETED", "PARTIAL", "SCREENED_OUT", "QUOTA_FULL")


def reliability(columns: Mapping[str, Sequence[float | None]]) -> Reliability:
    """Internal consistency of items, over respondents who answered all of them."""
    rows = [each for each in zip(*columns.values(), strict=True) if None not in each]
    return Reliability(
        items=tuple(columns),
        respondents=len(rows),
        alpha=cronbach_alpha(rows),
        standardized_alpha=standardized_alpha(rows),
    )


def response_rate(states: Mapping[str, int]) -> ResponseRate:
    """Share of the invitations that could be answered and were."""
    reached = sum(count for state, count in states.items() if state not in NOT_REACHED)
    answered = sum(states.get(state, 0) for state in ANSWERED)
    return ResponseRate(states=states, reached=reached, answered=answered, rate=share(answered, reached))
