"""Firing: touches whose time has come are judged and claimed in one transaction, then handed over one by one.

Nobody sends what another claimed, and consent is looked at once more right before a message leaves. A worker that does
not come back leaves its claim: when it is over, the provider is asked by the key before anything is sent again, and
where it cannot be asked, nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Change
from libs.worktime.civil import instant, zone
from services.care.customers.domain.permission import Finding, Reason, obstacles
from services.care.customers.domain.projection import CONSENT_LATE, Channel, CustomerProjection
from services.care.pressure.application import Ledger
from services.care.pressure.domain import Burden
from services.care.programs.domain.contents import in_language
from services.care.programs.domain.plans import Form, Plan
from services.care.programs.domain.programs import Program
from services.care.senders.application.senders import open_port
from services.care.senders.domain import Message, Outflow, Port, Sender
from services.care.touches.application.planning import Planning
from services.care.touches.domain.judging import Case, Judgement, Pressure, Verdict, no_pressure
from services.care.touches.domain.parts import REACHED, WAITING, Claim, TouchState
from services.care.touches.domain.planning import key_of, zone_of
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore

SPENT: Final = timedelta(seconds=10)
"""Time that one round may hand messages over, well within that of a timer."""
CHUNK: Final = 50
"""Messages that are claimed at once for a provider that can be asked about each."""


class Waits(Exception):
    """Work that has to wait until a time, for a reason that is nobody's fault."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that decides about some touches, as it was read at once."""

    programs: Mapping[str, Program]
    customers: Mapping[str, CustomerProjection]
    overrides: Mapping[tuple[str, str], Plan]
    senders: Mapping[Channel, Sender]
    reached: frozenset[str]
    """Ids of touches whose occurrence came under another id of the customer."""

    def plan(self, touch: Touch) -> Plan | None:
        """The plan of a touch, as things stand now."""
        program, customer = self.programs.get(touch.program_id), self.customers.get(touch.customer_id)
        if program is None or customer is None:
            return None
        return self.overrides.get((program.id, customer.id)) or program.plan_for(customer)

    def case(self, touch: Touch, pressure: Pressure) -> Case:
        """A touch with everything that decides about it."""
        customer, plan = self.customers.get(touch.customer_id), self.plan(touch)
        return Case(
            touch=touch,
            program=self.programs.get(touch.program_id),
            plan=plan,
            customer=customer,
            sender=self.senders.get(touch.channel),
            reached=touch.id in self.reached,
            assignee=(customer.owner if customer is not None else "") or (plan.assignee if plan is not None else ""),
            pressure=pressure,
        )

    def pressure(self, ledger: Ledger) -> Pressure:
        """The answer of the ledger, which a touch that was counted already does not stand against."""

        def asked(touch: Touch, at: datetime) -> Finding | None:
            customer = self.customers.get(touch.customer_id)
            return ledger.finding(customer.id, burden_of(touch, at)) if customer is not None else None

        return asked

    def relocated(self, touch: Touch) -> Touch:
        """The touch in the zone where the customer is now."""
        program, customer, plan = (
            self.programs.get(touch.program_id),
            self.customers.get(touch.customer_id),
            self.plan(touch),
        )
        if program is None or customer is None or plan is None or touch.minute is None or touch.local_date is None:
            return touch
        name = zone_of(customer, program)
        if name == touch.time_zone:
            return touch
        here = zone(name, "time_zone")
        return replace(
            touch,
            time_zone=name,
            planned_time=instant(touch.local_date, touch.minute, here),
            expire_time=instant(touch.local_date + timedelta(days=plan.useful_days + 1), 0, here),
        )


class Firing:
    """Sends what is due."""

    def __init__(
        self,
        store: TouchesStore,
        *,
        ports: Callable[[Sender], Port] = open_port,
        pressure: Pressure | None = None,
    ) -> None:
        self._store, self._ports, self._pressure = store, ports, pressure
        self._planning = Planning(store)

    def fire(self, due: Sequence[Touch]) -> None:
        """Does what is due for touches of one or several channels. Their states decide, so however often it is called.

        Raises Waits when some of it has to wait: nothing was heard of consent, or a channel has sent its share.
        """
        now, worker = identity.now(), identity.new_id("wrk")
        self._store.touches.update_many(
            [(each.id, now) for each in due if each.state in WAITING and each.expire_time <= now], Touch.lapse
        )
        left = [each for each in due if each.expire_time > now or each.state is TouchState.CLAIMED]
        senders = self._store.senders.by_channel()
        ports: dict[Channel, Port] = {}
        try:
            for sender in senders.values():
                ports[sender.channel] = self._ports(sender)
            self._recover([each for each in left if each.state is TouchState.CLAIMED], ports, worker)
            waiting = [each for each in left if each.state in WAITING]
            if waiting:
                self._require_fresh(now)
                self._send(waiting, ports, worker, now)
        finally:
            for port in ports.values():
                port.close()

    # ------------------------------------------------------------------------------------------------------ claiming

    def _send(self, waiting: Sequence[Touch], ports: Mapping[Channel, Port], worker: str, start: datetime) -> None:
        for chunk in _chunks(waiting, ports):
            if identity.now() - start > SPENT:
                raise Waits(identity.now(), "the round is over")
            claimed, full = self._claimed(chunk, worker)
            self._hand_over(claimed, ports, worker)
            if full:
                minute = identity.now().replace(second=0, microsecond=0)
                raise Waits(minute + timedelta(minutes=1), "a channel has sent its share of this minute")

    def _claimed(self, chunk: Sequence[Touch], worker: str) -> tuple[Sequence[Touch], bool]:
        """(touches that are claimed now, whether others have to wait for the next minute)."""

        def work() -> tuple[Sequence[Touch], bool]:
            now = identity.now()
            current = [each for each in self._current(chunk) if each.state in WAITING]
            scene = self.scene(current)
            left = self._left(scene.senders, now)
            ledger = Ledger(self._store.pressure, scene.customers.values())
            steps: list[tuple[str, tuple[Touch, Judgement]]] = []
            merged = set[str]()
            full = False
            for touch in map(scene.relocated, current):
                judgement = scene.case(touch, self._pressure or scene.pressure(ledger)).judge(now)
                if touch.planned_time > now and touch.planned_time != (touch.due_time or now):
                    judgement = Judgement(verdict=Verdict.DEFER, time=touch.planned_time)
                if judgement.verdict is Verdict.SEND and touch.form is Form.MESSAGE:
                    if left.get(touch.channel, 0) == 0:
                        full = True
                        continue
                    left[touch.channel] -= 1
                if judgement.verdict is Verdict.SEND:
                    ledger.note(scene.customers[touch.customer_id].id, burden_of(touch, now))
                if judgement.verdict is Verdict.SUPERSEDE:
                    merged.add(touch.customer_id)
                steps.append((touch.id, (touch, judgement)))
            done = self._store.touches.update_many(
                steps, lambda each, told: _applied(each, *told, scene=scene, worker=worker, now=now)
            )
            claimed = [each for each in done if each.state is TouchState.CLAIMED and each.worker == worker]
            self._count(claimed, now)
            ledger.write()
            if merged:
                self._planning.follow(merged)
            return claimed, full

        return self._store.database.transact(work)

    def scene(self, touches: Sequence[Touch]) -> Scene:
        """Everything that decides about touches, read at once."""
        customers = self._store.customers.known([each.customer_id for each in touches])
        return Scene(
            programs=self._store.programs.some(sorted({each.program_id for each in touches})),
            customers=customers,
            overrides=self._planning.overrides([each.id for each in customers.values()]),
            senders=self._store.senders.by_channel(),
            reached=self._reached(touches, customers),
        )

    def _reached(self, touches: Sequence[Touch], customers: Mapping[str, CustomerProjection]) -> frozenset[str]:
        """Those of the touches whose occurrence came under another id of the customer."""
        others: dict[str, str] = {}
        for touch in touches:
            customer = customers.get(touch.customer_id)
            group = {customer.id, *customer.merged_ids} if customer is not None and customer.merged_ids else set()
            for id in group - {touch.customer_id}:
                others[self._store.touches.id_of(key_of(touch.program_id, id, touch.occurrence))] = touch.id
        there = self._store.some([*others])
        return frozenset(others[id] for id, each in there.items() if each.state in REACHED)

    def _left(self, senders: Mapping[Channel, Sender], now: datetime) -> dict[Channel, int]:
        """Channel → messages that may still go in this minute."""
        minute = now.replace(second=0, microsecond=0)
        return {
            channel: max(sender.rate_per_minute - self._store.senders.outflow(channel, minute).count, 0)
            for channel, sender in senders.items()
        }

    def _count(self, claimed: Sequence[Touch], now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        counts = [
            (self._store.senders.outflow(channel, minute), sum(each.channel is channel for each in claimed))
            for channel in {each.channel for each in claimed}
        ]
        self._store.senders.outflows.upsert_many(counts, Outflow.add)

    # -------------------------------------------------------------------------------------------------- handing over

    def _hand_over(self, claimed: Sequence[Touch], ports: Mapping[Channel, Port], worker: str) -> None:
        if not claimed:
            return
        scene = self.scene(claimed)
        for touch in claimed:
            now = identity.now()
            if touch.due_time is None or touch.due_time - now < CLAIM_MARGIN:
                continue  # the claim is nearly over: whoever takes it over asks first
            against = self._late_obstacles(touch, now)
            if against:
                self._step(touch, partial(Touch.suppress, findings=against, now=now))
                self._strike(touch, scene)
                continue
            port = ports[touch.channel]
            handover = port.send(self._composed(touch, scene))
            settled = self._step(
                touch,
                partial(Touch.settle, worker=worker, handover=handover, can_find=port.can_find, now=identity.now()),
            )
            if settled.state is TouchState.FAILED:
                self._strike(touch, scene)

    def _strike(self, touch: Touch, scene: Scene) -> None:
        """Takes out of the ledger what did not reach the customer."""
        customer = scene.customers.get(touch.customer_id)
        self._store.pressure.strike([(customer.id if customer is not None else touch.customer_id, touch.id)])

    def _late_obstacles(self, touch: Touch, now: datetime) -> Sequence[Finding]:
        """Decisions of the customer since the touch was claimed."""
        customer = self._store.customers.find(touch.customer_id)
        if customer is None:
            return [Finding(reason=Reason.CUSTOMER_UNKNOWN)]
        return list(obstacles(customer, touch.purpose, touch.channel, now))

    def _composed(self, touch: Touch, scene: Scene) -> Message:
        program, customer, plan = (
            scene.programs[touch.program_id],
            scene.customers[touch.customer_id],
            scene.plan(touch),
        )
        sender = scene.senders[touch.channel]
        content = in_language(plan.contents if plan is not None else (), customer.language_code)
        link = f"{sender.unsubscribe_url}{touch.code}" if sender.unsubscribe_url else ""
        values = {
            "display_name": customer.display_name,
            "occasion": touch.occasion,
            "date": touch.local_date,
            "owner": customer.owner,
            "program": program.display_name,
            "unsubscribe": link,
            "survey": f"{sender.survey_url}{touch.survey_token}" if touch.survey_token else "",
        }
        subject, body = content.filled(values) if content is not None else ("", "")
        return Message(
            key=touch.id,
            to=touch.contact_point,
            subject=subject,
            body=body,
            language_code=content.language_code if content is not None else "",
            unsubscribe_url=link,
        )

    # ------------------------------------------------------------------------------------------- what was left behind

    def _recover(self, left: Sequence[Touch], ports: Mapping[Channel, Port], worker: str) -> None:
        """Finds out what became of claims that are over."""
        for each in left:
            now = identity.now()
            touch = self._step(each, partial(Touch.reclaim, worker=worker, now=now))
            port = ports.get(touch.channel)
            if touch.state is not TouchState.CLAIMED or touch.worker != worker:
                continue
            found = port.find(touch.id) if port is not None else None
            can_find = port is not None and port.can_find
            if found is not None:
                self._step(touch, partial(Touch.settle, worker=worker, handover=found, can_find=can_find, now=now))
            elif touch.expire_time <= now:
                self._step(touch, partial(Touch.lapse, now=now))
            else:
                self._step(touch, partial(Touch.release, now=now))

    # --------------------------------------------------------------------------------------------------------- steps

    def _step(self, touch: Touch, change: Callable[[Touch], Change[Touch]]) -> Touch:
        [changed] = self._store.touches.update_many([(touch.id, None)], lambda each, _: change(each))
        return changed

    def _require_fresh(self, now: datetime) -> None:
        heard = self._store.customers.consent_heard()
        if heard is None or now - heard > CONSENT_LATE:
            raise Waits(now + timedelta(seconds=10), "nothing was heard of consent for too long")

    def _current(self, touches: Sequence[Touch]) -> Sequence[Touch]:
        return list(self._store.some([each.id for each in touches]).values())


def burden_of(touch: Touch, at: datetime) -> Burden:
    """A touch as the ledger of pressure counts it. Its weight is that of its channel."""
    return Burden(key=touch.id, time=at, channel=touch.channel, purpose=touch.purpose, weight=0)


CLAIM_MARGIN: Final = timedelta(seconds=20)
"""Time that must be left of a claim before a message goes: longer than any provider is waited for."""


def _chunks(touches: Sequence[Touch], ports: Mapping[Channel, Port]) -> Iterator[Sequence[Touch]]:
    """Touches that are claimed at once: one, where nobody can be asked what became of it."""
    alone = [each for each in touches if each.form is Form.MESSAGE and not _can_find(each, ports)]
    others = iter([each for each in touches if each.form is not Form.MESSAGE or _can_find(each, ports)])
    while chunk := list(islice(others, CHUNK)):
        yield chunk
    yield from ([each] for each in alone)


def _can_find(touch: Touch, ports: Mapping[Channel, Port]) -> bool:
    return touch.channel not in ports or ports[touch.channel].can_find


def _applied(
    touch: Touch, seen: Touch, judgement: Judgement, *, scene: Scene, worker: str, now: datetime
) -> Change[Touch]:
    """The touch after a judgement about it, moved to the zone where the customer is now."""
    events: list[object] = []
    if seen.time_zone != touch.time_zone:
        touch, told = touch.replan(seen)
        events += told
    match judgement.verdict:
        case Verdict.SEND if touch.form is Form.MESSAGE:
            claim = Claim(
                worker=worker,
                contact_point=judgement.contact_point,
                permission_ref=judgement.permission_ref,
                code=identity.salt(),
            )
            changed, told = touch.claim(claim, now)
        case Verdict.SEND:
            case = scene.case(touch, no_pressure)
            plan = scene.plan(touch)
            end = now + timedelta(days=plan.task_days if plan is not None else 0)
            changed, told = touch.assign(case.assignee, judgement.permission_ref, max(end, touch.expire_time))
        case Verdict.DEFER:
            changed, told = touch.defer(judgement.findings, judgement.time or now)
        case Verdict.LAPSE:
            changed, told = replace(touch, findings=judgement.findings).lapse(now)
        case Verdict.SUPERSEDE:
            changed, told = touch.supersede(judgement.findings[0], now)
        case _:
            changed, told = touch.suppress(judgement.findings, now)
    return changed, [*events, *told]  # type: ignore[list-item]
