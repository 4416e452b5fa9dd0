"""An alert: a question to Prometheus, and the runbook for the person who is woken by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "info"]
"""critical: wake somebody now. warning: somebody looks within the working day. info: known, nobody is told."""


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """Runbook of one alert, for somebody who has never seen it."""

    symptom: str
    """State of the system that the alert tells of."""
    impact: str
    """Effect on callers and users, and what is safe nevertheless."""
    check: Mapping[str, str]
    """Commands → what their answer tells."""
    action: Sequence[str]
    """Steps, the likeliest first."""
    escalation: str
    """Escalation: the person to ask next, and the evidence to bring."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert. Its labels are those of the expression's result, and the severity."""

    name: str
    expr: str
    hold: str
    """Duration that the expression must hold without a break, for example `5m`. Empty means at once."""
    severity: Severity
    summary: str
    """One line for a pager, with `{{ $labels.… }}`."""
    description: str
    """One or two sentences with the figure."""
    runbook: Runbook
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A figure that is worked out once for several questions."""

    name: str
    expr: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rules that are evaluated together, one after the other."""

    name: str
    about: str
    """Name of the area, in a few words."""
    alerts: Sequence[Alert] = ()
    recordings: Sequence[Recording] = ()
