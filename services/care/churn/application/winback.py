"""Winning back: what it is worth, who gets the task, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.care.alerts.domain.watches import merged
from services.care.churn.domain.refusals import NotLost, RetentionPolicyMissing, WinBackForbidden
from services.care.churn.domain.winback import (
    Lost,
    RetentionPolicy,
    WinBackAttempt,
    WinBackEstimate,
)
from services.care.churn.store import ChurnStore
from services.care.customers.domain.permission import obstacles
from services.care.customers.domain.projection import Channel, ConsentPurpose, CustomerProjection
from services.care.programs.domain.plans import Form
from services.care.touches.application.tasks import Tasks
from services.care.touches.domain.tasks import TaskAsked

TASK_LASTS = timedelta(days=14)
"""Time that somebody has to make an offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer to a customer, and who makes it."""

    customer_id: str
    offer: str
    form: Form
    channel: Channel
    assignee: str = ""


class WinBack:
    """Attempts to win customers back."""

    def __init__(self, store: ChurnStore) -> None:
        self._store, self._tasks = store, Tasks(store.touches)

    # ------------------------------------------------------------------------------------------------- the policy

    def define_policy(self, draft: RetentionPolicy) -> RetentionPolicy:
        """Says what winning back brings and costs."""
        id, now = self._store.policies.id_of("policy"), identity.now()

        def work() -> RetentionPolicy:
            if self._store.policy() is None:
                return self._store.policies.insert(replace(draft, id=id).define(draft, now), key="policy")
            return self._store.policies.update(id, lambda each: each.define(draft, now))

        return self._store.database.transact(work, again=lambda: self._store.policies.get(id))

    def policy(self) -> RetentionPolicy:
        """The policy. RetentionPolicyMissing while nobody defined it."""
        policy = self._store.policy()
        if policy is None:
            raise RetentionPolicyMissing(policy="retention policy")
        return policy

    # ------------------------------------------------------------------------------------------------ an attempt

    def evaluate(self, customer_id: str) -> WinBackEstimate:
        """Expected value of winning a customer back."""
        customer = self._store.customers.require(customer_id)
        return self._lost(customer).estimate(self.policy(), identity.now())

    def offer(self, asked: Offer) -> WinBackAttempt:
        """Gives somebody the task to win a customer back. WinBackForbidden when anything is against it."""
        customer, now = self._store.customers.require(asked.customer_id), identity.now()
        actor = context.current().actor

        def work() -> WinBackAttempt:
            lost, policy = self._lost(customer), self.policy()
            found = lost.estimate(policy, now)
            refusals = obstacles(customer, ConsentPurpose.MARKETING, asked.channel, now)
            against = (*found.against, *(f"{each.reason}: {each.explanation}" for each in refusals))
            assignee = asked.assignee or customer.owner
            if not assignee:
                against = (*against, "nobody answers for the customer")
            if against:
                raise WinBackForbidden(customer_id=customer.id, against=against)
            number = len(lost.attempts) + 1
            task = TaskAsked(
                key=f"{lost.record.id}:{number}",
                customer_id=customer.id,
                occasion=asked.offer,
                form=asked.form,
                channel=asked.channel,
                assignee=assignee,
                due_time=now + TASK_LASTS,
                purpose=ConsentPurpose.MARKETING,
            )
            [touch] = self._tasks.give([task])
            draft = WinBackAttempt(
                id="",
                customer_id=customer.id,
                churn_record_id=lost.record.id,
                number=number,
                reason_root=lost.record.reason_root,
                offer=asked.offer,
                probability=found.probability,
                expected_minor_units=found.expected_minor_units,
                currency_code=found.currency_code,
                touch_id=touch.id,
                offered_by=actor,
                lapse_time=(lost.record.lost_time or now) + timedelta(days=policy.give_up_days),
            )
            return self._store.attempts.insert(lambda id: replace(draft, id=id).give())

        return self._store.customers.while_living(
            {customer.id},
            lambda: self._store.database.transact(work, again=self._store.attempts.made),
            self._withdraw,
        )

    def decline(self, attempt_id: str) -> WinBackAttempt:
        """Records that a customer does not come back for an offer."""
        now = identity.now()
        return self._store.attempts.update(attempt_id, lambda each: each.decline(now))

    def get(self, attempt_id: str) -> WinBackAttempt:
        """One attempt."""
        return self._store.attempts.get(attempt_id)

    def list(self, filter: str, request: PageRequest) -> Page[WinBackAttempt]:
        """A page of attempts, the latest first."""
        return self._store.list_attempts(filter, request)

    def lapse(self, due: Sequence[WinBackAttempt]) -> None:
        """Ends attempts whose time is over. Their times decide, so however often it is called."""
        now = identity.now()
        self._store.attempts.update_many([(each.id, None) for each in due], lambda each, _: each.lapse(now))

    def _lost(self, customer: CustomerProjection) -> Lost:
        """A customer who left, with all that is known of it. NotLost for one who has not."""
        group = self._store.customers.group(customer.id, customer)
        record = next((each for each in self._store.records_of(group) if each.open), None)
        if record is None:
            raise NotLost(customer_id=customer.id)
        won, ended = self._store.ends(record.reason_root)
        return Lost(
            record=record,
            sales=merged([*self._store.alerts.watches_of(group).values()], customer.id).sales,
            attempts=self._store.attempts_for(record.id),
            won_count=won,
            ended_count=ended,
        )

    def _withdraw(self, attempt: WinBackAttempt) -> None:
        self._store.attempts.erase([attempt.id])
        self._store.attempts.update_many([(attempt.id, None)], lambda each, _: each.erase())
