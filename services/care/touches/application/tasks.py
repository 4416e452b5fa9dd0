"""Giving tasks to persons for other areas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from libs.chassis import identity
from services.care.customers.domain.permission import Finding, Reason, obstacles, permission_ref, point_for
from services.care.customers.domain.projection import CustomerProjection
from services.care.touches.domain.tasks import TaskAsked, given
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore


class Tasks:
    """Tasks of persons."""

    def __init__(self, store: TouchesStore) -> None:
        self._store = store

    def give(self, wanted: Sequence[TaskAsked]) -> list[Touch]:
        """Gives tasks, or suppresses them with all that is against them. Called inside a transaction."""
        now = identity.now()
        known = self._store.customers.known([each.customer_id for each in wanted])
        return [self._give(each, known.get(each.customer_id), now) for each in wanted]

    def _give(self, asked: TaskAsked, customer: CustomerProjection | None, at: datetime) -> Touch:

        findings = list[Finding]()
        ref = ""
        if customer is None:
            findings.append(Finding(reason=Reason.CUSTOMER_UNKNOWN, explanation="nothing is known of the customer"))
        else:
            findings += obstacles(customer, asked.purpose, asked.channel, at)
            point = point_for(customer, asked.channel)
            ref = permission_ref(
                customer, asked.purpose, asked.channel, point.canonical if point is not None else "", at
            )
        if not asked.assignee:
            findings.append(Finding(reason=Reason.NO_ASSIGNEE, explanation="nobody answers for the customer"))
        touch = asked.touch(self._store.touches.id_of(asked.key), at)
        [written] = self._store.touches.upsert_many(
            [(touch, asked)], lambda each, told: given(each, told, findings, ref, at)
        )
        return written
