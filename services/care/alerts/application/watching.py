"""Watching customers: taking in what happens, looking at them daily, and raising alerts, one of a kind at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Change
from services.care.alerts.domain.alerts import (
    Alert,
    AlertDriver,
    AlertFactor,
    AlertOutcome,
    Sign,
)
from services.care.alerts.domain.detection import Look, rules_by_kind, trend_of
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.alerts.domain.watches import Scale, SurveyScales, Watch, merged
from services.care.alerts.store import AlertsStore
from services.care.customers.domain.projection import ConsentSign, CustomerProjection

GONE: Final = frozenset({"CHURNED"})
"""Stages in which a customer is not looked at any more."""
Step = Callable[[Watch], Change[Watch]]
Rules = Callable[[AlertKind], AlertRule]


class Watching:
    """Watches over customers."""

    def __init__(self, store: AlertsStore) -> None:
        self._store = store

    # -------------------------------------------------------------------------------------------- what happens

    def note(self, steps: Iterable[tuple[str, Step]]) -> None:
        """Takes in what happened to customers, under the ids that were told."""
        told = [(id, step) for id, step in steps if id]
        gone = {each.id for each in self._store.customers.erased(id for id, _ in told)}
        self._store.watches.upsert_many(
            [(self._store.blank(id), step) for id, step in told if id not in gone], lambda watch, step: step(watch)
        )

    def learn_scales(self, survey_id: str, scales: tuple[Scale, ...]) -> None:
        """Takes in which questions of a survey tell if customers are satisfied."""
        blank = SurveyScales(id=self._store.scales.id_of(survey_id))
        self._store.scales.upsert_many([(blank, scales)], SurveyScales.ask)

    def satisfied(self, survey_id: str, numbers: dict[str, int]) -> bool | None:
        """Tells if the answers to a survey say that a customer is satisfied. None when they do not say."""
        scales = self._store.scales.find_by_id(self._store.scales.id_of(survey_id))
        return scales.satisfied(numbers) if scales is not None else None

    # ------------------------------------------------------------------------------------------------- looking

    def look(self, due: Sequence[Watch]) -> None:
        """Looks at customers. The time of the next look decides, so however often it is called."""
        self._store.database.transact(lambda: self._look(due))

    def _look(self, due: Sequence[Watch]) -> None:
        now = identity.now()
        current = self._store.watches_of([each.customer_id for each in due])
        waiting = [each for each in current.values() if each.look_time is not None and each.look_time <= now]
        known = self._store.customers.known([each.customer_id for each in waiting])
        groups = {each.id: self._store.customers.group(each.id, each) for each in known.values() if _lives(each)}
        watches = self._store.watches_of(sorted({id for ids in groups.values() for id in ids}))
        rules = rules_by_kind(self._store.all_rules())
        peers: dict[str, float | None] = {}
        slopes: dict[str, tuple[float | None, str]] = {}
        signs: list[tuple[str, Sign]] = []
        for id, group in groups.items():
            customer = known[next(each for each in group if each in known)]
            tier = customer.tier
            if tier not in peers:
                peers[tier] = self._store.median_slope(tier) if tier else None
            watch = merged([watches[each] for each in group if each in watches], id)
            trend = trend_of(watch, now)
            slopes[id] = (trend.slope if trend is not None else None, tier)
            look = Look(
                watch=watch,
                open_complaints=len(customer.open_complaints),
                tier=tier,
                peers=peers[tier],
                rules=rules,
                now=now,
            )
            signs += [(id, sign) for sign in look.signs()]
        self._store.watches.update_many(
            [(each.id, slopes.get(each.customer_id, (None, ""))) for each in waiting],
            lambda watch, told: watch.look(*told, now),
        )
        self.raise_all(signs)

    # ------------------------------------------------------------------------------------------------- raising

    def raise_all(self, told: Sequence[tuple[str, Sign]]) -> None:
        """Raises alerts, or adds to those that are open. Called inside a transaction."""
        now, rules = identity.now(), rules_by_kind(self._store.all_rules())
        known = self._store.customers.known(sorted({id for id, _ in told}))
        wanted: dict[tuple[str, AlertKind], Sign] = {}
        owners: dict[str, str] = {}
        groups: dict[str, tuple[str, ...]] = {}
        for id, sign in told:
            customer = known.get(id)
            if (customer is not None and not _lives(customer)) or rules(sign.kind).disabled or not sign.drivers:
                continue
            canonical = customer.id if customer is not None else id
            owners[canonical] = customer.owner if customer is not None else ""
            groups[canonical] = self._store.customers.group(canonical, customer)
            before = wanted.get((canonical, sign.kind))
            drivers = (*before.drivers, *sign.drivers) if before is not None else sign.drivers
            wanted[canonical, sign.kind] = Sign(kind=sign.kind, drivers=drivers)
        fresh = self._besides_open(wanted, groups, now)
        counted = self._store.watches.upsert_many(
            [(self._store.blank(id), None) for id, _ in fresh], lambda watch, _: watch.count()
        )
        numbers = {each.customer_id: each.raised_count for each in counted}
        raised = [
            (Alert(id=self._alert_id(id, kind, numbers[id]), customer_id=id, kind=kind), sign)
            for (id, kind), sign in fresh.items()
        ]
        self._store.alerts.upsert_many(
            [(alert, (sign, owners[alert.customer_id])) for alert, sign in raised],
            lambda each, asked: each.raise_(asked[0], rules(each.kind), asked[1], now),
        )

    def _besides_open(
        self, wanted: Mapping[tuple[str, AlertKind], Sign], groups: Mapping[str, tuple[str, ...]], now: datetime
    ) -> dict[tuple[str, AlertKind], Sign]:
        """Signs that are to be raised: neither open, which becomes stronger instead, nor quiet."""
        canonical = {id: whose for whose, group in groups.items() for id in group}
        open = {(canonical[each.customer_id], each.kind): each for each in self._store.open_of(sorted(canonical))}
        self._store.alerts.update_many(
            [(open[key].id, sign) for key, sign in wanted.items() if key in open],
            lambda alert, sign: alert.strengthen(sign),
        )
        watches = self._store.watches_of(sorted(canonical))
        quiet = {
            (canonical[watch.customer_id], each.kind)
            for watch in watches.values()
            for each in watch.quiets
            if each.end_time > now
        }
        quiet = {key for key in quiet if not _told_by_events(wanted.get(key))}
        return {key: sign for key, sign in wanted.items() if key not in open and key not in quiet}

    def _alert_id(self, customer_id: str, kind: AlertKind, number: int) -> str:
        return self._store.alerts.id_of(f"{customer_id}:{kind}:{number}")

    def join(self, customer_ids: Iterable[str]) -> None:
        """After merges: of alerts of one kind that are open for one customer now, the oldest stays."""
        now = identity.now()
        known = self._store.customers.known(sorted({*customer_ids}))
        ends: list[tuple[str, None]] = []
        for customer in {each.id: each for each in known.values()}.values():
            seen = set[AlertKind]()
            open = self._store.open_of(self._store.customers.group(customer.id, customer))
            for alert in sorted(open, key=lambda each: (each.create_time or now, each.id)):
                if alert.kind in seen:
                    ends.append((alert.id, None))
                seen.add(alert.kind)
        self._store.alerts.update_many(ends, lambda alert, _: alert.end(AlertOutcome.VOID, now))

    # -------------------------------------------------------------------------------------------------- timers

    def escalate(self, due: Sequence[Alert]) -> None:
        """Escalates what is due. The time of the next escalation decides, so however often it is called."""
        now, rules = identity.now(), rules_by_kind(self._store.all_rules())
        self._store.alerts.update_many(
            [(each.id, rules(each.kind)) for each in due], lambda alert, rule: alert.escalate(rule, now)
        )

    def check_consent(self, due: Sequence[ConsentSign]) -> None:
        """Raises an alert when events about consent are late, and ends it when they have come."""
        for sign in due:
            self._store.database.transact(lambda sign=sign: self._check(sign))  # type: ignore[misc]

    def _check(self, sign: ConsentSign) -> None:
        now, rule = identity.now(), rules_by_kind(self._store.all_rules())(AlertKind.CONSENT_LATE)
        [checked] = self._store.customers.signs.update_many([(sign.id, None)], lambda each, _: each.check(now))
        open = self._store.open_of([""])
        if not checked.late:
            self._store.alerts.update_many(
                [(each.id, None) for each in open], lambda each, _: each.end(AlertOutcome.SAVED, now)
            )
        elif not open and not rule.disabled and checked.heard_time is not None:
            words = f"nothing was heard of consent since {checked.heard_time:%Y-%m-%d %H:%M} UTC: nothing is sent"
            driver = AlertDriver(factor=AlertFactor.CONSENT, points=100, explanation=words)
            late = Sign(kind=AlertKind.CONSENT_LATE, drivers=(driver,))
            alert = Alert(id=self._store.alerts.id_of(f":{late.kind}:{checked.heard_time.isoformat()}"), kind=late.kind)
            self._store.alerts.upsert_many([(alert, late)], lambda each, sign: each.raise_(sign, rule, "", now))


def _lives(customer: CustomerProjection) -> bool:
    return not (customer.erased or customer.deleted) and customer.lifecycle not in GONE


def _told_by_events(sign: Sign | None) -> bool:
    """Tells if something happened that no quiet time holds back: a promise, or what a person noticed."""
    return sign is not None and any(
        each.factor in (AlertFactor.PROMISE, AlertFactor.PERSON) and sign.kind is not AlertKind.CHURN_RISK
        for each in sign.drivers
    )
