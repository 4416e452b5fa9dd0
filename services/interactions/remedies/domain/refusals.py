"""Refusals of remedies."""

from __future__ import annotations

from libs.chassis.domain import FailedPrecondition, PermissionDenied


class GoodwillAboveAuthority(PermissionDenied):
    """{amount} {currency_code} of {action} is above what {agent_id} may give. It exceeds: {exceeded}."""

    amount: int
    currency_code: str
    action: str
    agent_id: str
    exceeded: tuple[str, ...]


class NobodyMayApprove(FailedPrecondition):
    """Nobody who is there may approve {goodwill_id}: name a deputy, or wait until one of {approvers} is back."""

    goodwill_id: str
    approvers: tuple[str, ...]


class GoodwillDecided(FailedPrecondition):
    """{goodwill_id} is {state}: it is decided once."""

    goodwill_id: str
    state: str


class OwnGoodwill(PermissionDenied):
    """{agent_id} asked for {goodwill_id}: somebody else decides it."""

    agent_id: str
    goodwill_id: str
