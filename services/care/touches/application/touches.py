"""Touches as people and providers meet them: reading, explaining, skipping, tasks, reports and the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from libs.chassis import context, identity
from libs.chassis.domain import Change
from libs.chassis.paging import Page, PageRequest
from services.care.customers.domain.projection import CustomerProjection
from services.care.pressure.application import Ledger
from services.care.touches.application.firing import Firing
from services.care.touches.domain.answers import Explanation
from services.care.touches.domain.judging import Verdict
from services.care.touches.domain.parts import DeliveryStatus, TaskOutcome
from services.care.touches.domain.refusals import ReportForged, UnsubscribeCodeUnknown
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore


class Touches:
    """Touches of customers."""

    def __init__(self, store: TouchesStore) -> None:
        self._store = store

    def get(self, touch_id: str) -> Touch:
        """One touch."""
        return self._store.touches.get(touch_id)

    def list(self, filter: str, request: PageRequest) -> Page[Touch]:
        """A page of touches, the earliest planned first."""
        return self._store.list(filter, request)

    def of_customer(self, customer_id: str, request: PageRequest) -> Page[Touch]:
        """A page of the touches of a customer under every id."""
        return self._store.of_customer(customer_id, request)

    def explain(self, touch_id: str) -> Explanation:
        """Reasons against a touch as they were stored, and as they are now."""
        touch, now = self._store.touches.get(touch_id), identity.now()
        scene = Firing(self._store).scene([touch])
        ledger = Ledger(self._store.pressure, scene.customers.values())
        case = scene.case(touch, scene.pressure(ledger))
        judgement = case.judge(now)
        permitted = {Verdict.SEND: now, Verdict.DEFER: judgement.time}.get(judgement.verdict)
        return Explanation(touch=touch, findings_now=tuple(case.findings(now)), next_permitted_time=permitted)

    def skip(self, touch_id: str, reason: str) -> Touch:
        """Skips a touch that was not sent."""
        now = identity.now()
        return self._store.touches.update(touch_id, lambda each: each.skip(reason, now))

    # --------------------------------------------------------------------------------------------------------- tasks

    def tasks(self, assignee: str, request: PageRequest) -> Page[Touch]:
        """A page of the open tasks of a person, the caller unless somebody is named."""
        return self._store.tasks(assignee or context.current().actor, request)

    def complete(self, touch_id: str, outcome: TaskOutcome, note: str, more: str, *, nothing_more: bool) -> Touch:
        """Ends a task."""
        now = identity.now()
        return self._while_living(touch_id, lambda each: each.complete(outcome, note, more, nothing_more, now))

    def assign(self, touch_id: str, assignee: str) -> Touch:
        """Gives a task to somebody else."""
        return self._store.touches.update(touch_id, lambda each: each.reassign(assignee))

    # ------------------------------------------------------------------------------------------------------- reports

    def report(self, touch_id: str, status: DeliveryStatus, detail: str, signature: str) -> Touch:
        """Takes the report of a provider, when it is signed by the sender of the channel."""
        touch, now = self._store.touches.get(touch_id), identity.now()
        sender = self._store.senders.by_channel().get(touch.channel)
        if sender is None or not sender.signed(f"{touch_id}|{status}|{detail}", signature):
            raise ReportForged(touch_id=touch_id)
        steps: dict[DeliveryStatus, Callable[[Touch], Change[Touch]]] = {
            DeliveryStatus.DELIVERED: lambda each: each.deliver(now),
            DeliveryStatus.BOUNCED: lambda each: each.bounce(detail, now),
            DeliveryStatus.REPLIED: lambda each: each.reply(now),
        }
        return self._while_living(touch_id, steps[status])

    def unsubscribe(self, code: str) -> Touch:
        """Takes the customer of a message out of its purpose, at once and whoever it was merged into since."""
        touch, now = self._store.by_code(code), identity.now()
        if touch is None:
            raise UnsubscribeCodeUnknown(code=code)

        def work() -> Touch:
            customer = self._store.customers.find(touch.customer_id)
            if customer is not None:
                self._store.customers.collection.update_many(
                    [(each, None) for each in {touch.customer_id, customer.id}],
                    lambda known, _: CustomerProjection.refuse(known, touch.purpose, touch.id, now),
                )
            to = customer.id if customer is not None else touch.customer_id
            return self._store.touches.update(touch.id, lambda each: each.unsubscribe(to, now))

        return self._store.database.transact(work)

    # --------------------------------------------------------------------------------------------------------- steps

    def _while_living(self, touch_id: str, change: Callable[[Touch], Change[Touch]]) -> Touch:
        """Writes words of a customer, and withdraws them when the customer is erased meanwhile."""
        customer_id = self._store.touches.get(touch_id).customer_id
        return self._store.customers.while_living(
            {customer_id}, lambda: self._store.touches.update(touch_id, change), lambda one: self._withdraw([one.id])
        )

    def _withdraw(self, ids: Sequence[str]) -> None:
        self._store.touches.erase(ids)
        self._store.touches.update_many([(id, None) for id in ids], lambda each, _: each.erase())
