"""The context of a customer: all that whoever picks up next must know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.interactions.cases.domain.cases import Case
from services.interactions.conversations.domain import Conversation
from services.interactions.customers.domain import CustomerProjection
from services.interactions.promises.domain import Promise
from services.interactions.timeline.domain import Interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerContext:
    """All that whoever picks up next must know about a customer."""

    customer: CustomerProjection
    conversations: tuple[Conversation, ...]
    interactions: tuple[Interaction, ...]
    promises: tuple[Promise, ...]
    broken_promises: tuple[Promise, ...]
    waiting_since_time: datetime | None
    as_of_time: datetime
    cases: tuple[Case, ...] = ()
