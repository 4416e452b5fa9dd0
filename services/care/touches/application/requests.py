"""Requests of other services: the first program that answers sends what was asked for, or the reason is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from libs.chassis import identity
from services.care.customers.domain.permission import Finding, Reason
from services.care.customers.domain.projection import Channel, ConsentPurpose, CustomerProjection
from services.care.programs.domain.plans import Form, Plan
from services.care.programs.domain.programs import Program
from services.care.programs.domain.triggers import Fact
from services.care.touches.application.planning import Planning
from services.care.touches.domain.planning import Planner, key_of
from services.care.touches.domain.requests import Request
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore

_USEFUL: Final = timedelta(days=30)
"""Time for which a request without an end is useful."""


class Requests:
    """Wishes of other services."""

    def __init__(self, store: TouchesStore) -> None:
        self._store, self._planning = store, Planning(store)

    def take(self, requests: Sequence[Request]) -> None:
        """Plans what was asked for, and suppresses what no program at work sends."""
        customers = self._store.customers.known([each.customer_id for each in requests])
        overrides = self._planning.overrides([each.id for each in customers.values()])
        programs = self._store.programs.at_work()
        now = identity.now()
        for request in requests:
            known = customers.get(request.customer_id)
            customer = known or CustomerProjection.unheard(request.customer_id, now)
            for program in programs:
                plan = overrides.get((program.id, customer.id)) or program.plan_for(customer)
                if plan is not None and _answers(plan, request) and (known is None or program.includes(customer)):
                    self._planning.keep([_planned(request, program, plan, customer)], {customer.id: customer})
                    break
            else:
                self._refuse(request, customer)

    def _refuse(self, request: Request, customer: CustomerProjection) -> None:
        now = identity.now()
        key = key_of("", customer.id, request.key)
        if self._store.touches.find_by_id(self._store.touches.id_of(key)) is not None:
            return
        blank = Touch(
            id="",
            customer_id=customer.id,
            occurrence=request.key,
            planned_time=now,
            expire_time=request.expire_time or now + _USEFUL,
            purpose=ConsentPurpose.SURVEY,
            form=Form.MESSAGE,
            channel=Channel.EMAIL,
            request_ref=request.ref,
        )
        none = Finding(reason=Reason.NO_PLAN, explanation="no active program answers the request")
        self._store.touches.insert(lambda id: replace(blank, id=id).suppress([none], now), key=key)


def _answers(plan: Plan, request: Request) -> bool:
    return plan.on_fact is not None and plan.on_fact.answers(Fact.SURVEY_INVITATION, request.value)


def _planned(request: Request, program: Program, plan: Plan, customer: CustomerProjection) -> Touch:
    delay = plan.on_fact.delay if plan.on_fact is not None else timedelta()
    touch = Planner(program=program, plan=plan, customer=customer).at(identity.now() + delay, request.key)
    ends = [each for each in (touch.expire_time, request.expire_time) if each is not None]
    return replace(touch, expire_time=min(ends), request_ref=request.ref, survey_token=request.survey_token)
