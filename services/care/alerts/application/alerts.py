"""Alerts as people meet them: reading, raising, taking note, giving to others, closing."""

from __future__ import annotations

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.care.alerts.application.watching import Watching
from services.care.alerts.domain.alerts import Alert, AlertDriver, AlertFactor, AlertOutcome, Sign
from services.care.alerts.domain.detection import rules_by_kind
from services.care.alerts.domain.refusals import KindNotOfPeople
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.alerts.store import AlertsStore

NOTICED_POINTS = 50
"""Weight of what a person noticed, of 100."""


class Alerts:
    """Customers somebody has to do something about."""

    def __init__(self, store: AlertsStore) -> None:
        self._store, self._watching = store, Watching(store)

    def get(self, alert_id: str) -> Alert:
        """One alert."""
        return self._store.alerts.get(alert_id)

    def list(self, filter: str, request: PageRequest) -> Page[Alert]:
        """A page of alerts, the first due first."""
        return self._store.list(filter, request)

    def of_customer(self, customer_id: str, request: PageRequest) -> Page[Alert]:
        """A page of the alerts of a customer under every id."""
        return self._store.of_customer(customer_id, request)

    def raise_(self, customer_id: str, kind: AlertKind, explanation: str) -> Alert:
        """Raises what a person noticed. While an alert of the kind is open, it becomes stronger instead."""
        if kind is AlertKind.CONSENT_LATE:
            raise KindNotOfPeople(kind=kind)
        customer = self._store.customers.require(customer_id)
        driver = AlertDriver(factor=AlertFactor.PERSON, points=NOTICED_POINTS, explanation=explanation)
        sign, now = Sign(kind=kind, drivers=(driver,)), identity.now()
        rule = rules_by_kind(self._store.all_rules())(kind)

        def latest() -> Alert:
            return next(each for each in self._store.latest_of(customer.id) if each.kind is kind)

        def work() -> Alert:
            open = [each for each in self._store.open_of(self._store.customers.group(customer.id)) if each.kind is kind]
            if open:
                return self._store.alerts.update(open[0].id, lambda each: each.strengthen(sign))
            self._store.watches.upsert_many([(self._store.blank(customer.id), None)], lambda each, _: each.count())
            return self._store.alerts.insert(
                lambda id: Alert(id=id, customer_id=customer.id, kind=kind).raise_(sign, rule, customer.owner, now)
            )

        return self._store.customers.while_living(
            {customer.id}, lambda: self._store.database.transact(work, again=latest), self._withdraw
        )

    def acknowledge(self, alert_id: str) -> Alert:
        """Takes note of an alert."""
        now, actor = identity.now(), context.current().actor
        return self._store.alerts.update(alert_id, lambda each: each.acknowledge(actor, now))

    def assign(self, alert_id: str, owner: str) -> Alert:
        """Gives an alert to somebody."""
        return self._store.alerts.update(alert_id, lambda each: each.assign(owner))

    def close(self, alert_id: str, outcome: AlertOutcome, note: str) -> Alert:
        """Closes an alert, and keeps its kind quiet for a while."""
        now, actor = identity.now(), context.current().actor
        alert = self._store.alerts.get(alert_id)
        until = now + rules_by_kind(self._store.all_rules())(alert.kind).quiet_for

        def work() -> Alert:
            closed = self._store.alerts.update(alert_id, lambda each: each.close(outcome, note, actor, now))
            if closed.customer_id:
                watch = self._store.blank(closed.customer_id)
                self._store.watches.upsert_many([(watch, until)], lambda each, at: each.quiet(closed.kind, at))
            return closed

        return self._store.customers.while_living(
            {alert.customer_id},
            lambda: self._store.database.transact(work, again=lambda: self._store.alerts.get(alert_id)),
            self._withdraw,
        )

    def define_rule(self, rule: AlertRule) -> AlertRule:
        """Says when alerts of a kind are raised, and for whom."""
        blank = AlertRule(id=self._store.rules.id_of(rule.kind), kind=rule.kind)

        def work() -> AlertRule:
            if self._store.rules.find_by_id(blank.id) is None:
                return self._store.rules.insert(blank.define(rule), key=rule.kind)
            return self._store.rules.update(blank.id, lambda each: each.define(rule))

        return self._store.database.transact(work, again=lambda: self._store.rules.get(blank.id))

    def rules(self, request: PageRequest) -> Page[AlertRule]:
        """A page of the rules that were defined."""
        return self._store.list_rules(request)

    def _withdraw(self, alert: Alert) -> None:
        now = identity.now()
        self._store.alerts.erase([alert.id])
        self._store.alerts.update_many([(alert.id, None)], lambda each, _: each.erase(now))
