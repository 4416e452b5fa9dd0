"""Tasks that other areas ask for: done by a person, and judged by consent as everything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import Change
from services.care.customers.domain.permission import Finding
from services.care.customers.domain.projection import Channel, ConsentPurpose
from services.care.programs.domain.plans import Form
from services.care.touches.domain.touches import Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAsked:
    """A task that is wanted of a person."""

    key: str
    """Natural key: the same one makes one task."""
    customer_id: str
    occasion: str
    form: Form
    channel: Channel
    assignee: str
    due_time: datetime
    purpose: ConsentPurpose = ConsentPurpose.CARE

    def touch(self, id: str, now: datetime) -> Touch:
        """The touch that it becomes."""
        return Touch(
            id=id,
            customer_id=self.customer_id,
            occurrence=self.key,
            occasion=self.occasion,
            planned_time=now,
            expire_time=self.due_time,
            form=self.form,
            channel=self.channel,
            purpose=self.purpose,
        )


def given(
    touch: Touch, asked: TaskAsked, findings: Sequence[Finding], permission_ref: str, now: datetime
) -> Change[Touch]:
    """The touch as a task, or suppressed with all that is against it. A repeat changes nothing."""
    if touch.revision:
        return touch, []
    planned, events = touch.plan()
    if findings:
        ended, told = planned.suppress(findings, now)
    else:
        ended, told = planned.assign(asked.assignee, permission_ref, asked.due_time)
    return ended, [*events, *told]
