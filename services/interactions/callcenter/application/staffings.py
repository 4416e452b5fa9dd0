"""Staffing: agents that a load needs."""

from __future__ import annotations

from collections.abc import Sequence

from services.interactions.callcenter.domain.erlang import blocking
from services.interactions.callcenter.domain.staffing import AnswerTarget, Demand, Plan, QueueFigures, figures, plan


class Staffings:
    """Figures of queues that nothing is stored of."""

    def figures(self, demand: Demand, agents: int, within: float) -> QueueFigures:
        """Service that callers get from so many agents."""
        return figures(demand, agents, within)

    def blocking(self, offered: float, agents: int) -> float:
        """Share of calls that find every line busy."""
        return blocking(offered, agents)

    def plan(self, demands: Sequence[Demand], targets: Sequence[AnswerTarget], shrinkage: float) -> Plan:
        """Least agents that meet every target, interval by interval."""
        return plan(demands, targets, shrinkage=shrinkage)
