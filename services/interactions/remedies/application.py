"""Remedies: goodwill that is given at once or approved, once, and never above a limit by two at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from libs.chassis import context, identity
from libs.chassis.domain import Change
from libs.chassis.paging import Page, PageRequest
from services.interactions.cases.domain.cases import Case
from services.interactions.clocks.application import Clocks
from services.interactions.remedies.domain.absences import Absence, ExceptionGrant
from services.interactions.remedies.domain.authority import AuthorityMatrix
from services.interactions.remedies.domain.goodwill import Goodwill, GoodwillState, GoodwillTurn
from services.interactions.remedies.domain.refusals import NobodyMayApprove
from services.interactions.remedies.store import RemediesStore

AUTHORITY: Final = "authority"
"""Key of the limits, of which a tenant has one set."""


class Remedies:
    """What is given to customers to make good."""

    def __init__(self, store: RemediesStore) -> None:
        self._store = store
        self._clocks = Clocks(store.cases.clocks)

    # --------------------------------------------------------------------------------------------------- authority

    def authority(self) -> AuthorityMatrix:
        """The limits of the tenant. While it set none, nobody may give anything."""
        id = self._store.authority.id_of(AUTHORITY)
        return self._store.authority.find_by_id(id) or AuthorityMatrix(id=id)

    def set_authority(self, wanted: AuthorityMatrix) -> AuthorityMatrix:
        """Sets the limits, in their next version."""
        calendar_id = wanted.target.calendar.calendar_id
        if calendar_id:
            wanted = replace(wanted, target=replace(wanted.target, calendar=self._clocks.calendar(calendar_id)))
        blank = AuthorityMatrix(id=self._store.authority.id_of(AUTHORITY))
        [authority] = self._store.authority.upsert_many([(blank, wanted)], AuthorityMatrix.set)
        return authority

    def record_absence(self, draft: Absence) -> Absence:
        """Records when somebody is not there. What waits for them is looked at when it begins."""
        now = identity.now()

        def work() -> Absence:
            recorded = self._store.absences.insert(lambda id: replace(draft, id=id).record())
            waiting = [each.id for each in self._store.awaited_of(draft.agent_id)]
            self._hand_on(waiting, now)
            return recorded

        return self._store.database.transact(work, again=self._store.absences.made)

    def list_absences(self, page: PageRequest) -> Page[Absence]:
        """A page of absences, the last to end first."""
        return self._store.list_absences(page)

    def grant(self, draft: ExceptionGrant) -> ExceptionGrant:
        """Lets one case break the routine."""
        self._store.cases.cases.get(draft.case_id)
        now, actor = identity.now(), context.current().actor
        return self._store.grants.insert(lambda id: replace(draft, id=id).give(actor, now))

    def list_grants(self, page: PageRequest) -> Page[ExceptionGrant]:
        """A page of grants, the last to expire first."""
        return self._store.list_grants(page)

    # ---------------------------------------------------------------------------------------------------- goodwill

    def ask(self, draft: Goodwill, key: str = "") -> Goodwill:
        """Gives goodwill inside the authority of the caller, else asks somebody. The same key posts once."""
        case, actor = self._store.cases.cases.get(draft.case_id), context.current().actor
        return self.ask_for(case, draft, key=key, by=actor)

    def ask_for(self, case: Case, draft: Goodwill, *, by: str, key: str = "") -> Goodwill:
        """The same for a case that was read, by whoever it is asked for."""
        now = identity.now()
        drafted = Goodwill(
            id="",
            case_id=case.id,
            customer_id=case.customer_id,
            tier=case.clocks.tier if case.clocks is not None else "",
            action=draft.action,
            currency_code=draft.currency_code,
            amount=draft.amount,
            why=draft.why,
            problem_id=draft.problem_id,
            asked_by=by,
        )

        def work() -> Goodwill:
            if key and (known := self._store.goodwill.find_by_id(self._store.goodwill.id_of(key))) is not None:
                return self._repeated(known, drafted, key)
            group = self._take_turns(drafted)
            change = self.authority_asked(drafted, group, now)
            return self._store.goodwill.insert(lambda id: self._timed(_with_id(change, id), now), key=key)

        return self._store.customers.while_living(
            {case.customer_id},
            lambda: self._store.database.transact(work, again=lambda: self._made(key)),
            lambda asked: self._withdraw([asked.id]),
        )

    def give_by_plan(self, case: Case, draft: Goodwill, *, planned_by: str) -> Goodwill:
        """Gives goodwill under the remedy of a problem. Once for a case, whatever else was given."""
        now = identity.now()
        tier = case.clocks.tier if case.clocks is not None else ""
        drafted = replace(draft, customer_id=case.customer_id, tier=tier)
        return self._store.goodwill.insert(
            lambda id: replace(drafted, id=id).post_by_plan(planned_by, now), key=f"{draft.problem_id}:{case.id}"
        )

    def authority_asked(self, draft: Goodwill, group: Sequence[str], now: datetime) -> Change[Goodwill]:
        """The decision of the limits about a goodwill."""
        matrix = self.authority()
        return matrix.ask(
            draft,
            matrix.agent(draft.asked_by),
            now,
            self._store.given(draft, group, now),
            absences=self._store.absent(now),
            grant=self._store.grant_for(draft, now),
        )

    def decide(self, goodwill_id: str, *, approve: bool, reason: str, revision: int = 0) -> Goodwill:
        """Approves or declines a goodwill, once."""
        now, actor = identity.now(), context.current().actor

        def work() -> Goodwill:
            known = self._store.goodwill.get(goodwill_id)
            group, matrix = self._take_turns(known), self.authority()
            given = self._store.given(known, group, now)
            return self._store.goodwill.update(
                goodwill_id,
                lambda each: matrix.decide(each, matrix.agent(actor), given, now, approve=approve, reason=reason),
                revision=revision,
            )

        return self._store.database.transact(work, again=lambda: self._store.goodwill.get(goodwill_id))

    def get(self, goodwill_id: str) -> Goodwill:
        """One goodwill."""
        return self._store.goodwill.get(goodwill_id)

    def list(self, filter: str, page: PageRequest) -> Page[Goodwill]:
        """A page of goodwill, the latest asked for first."""
        return self._store.list(filter, page)

    def wake(self, due: Sequence[Goodwill]) -> None:
        """Reminds approvers, and asks somebody else when one has left. The state decides, however often it runs."""
        self._hand_on([each.id for each in due], identity.now())

    # ------------------------------------------------------------------------------------------------------- steps

    def _hand_on(self, ids: Sequence[str], now: datetime) -> None:
        matrix, absences = self.authority(), self._store.absent(now)
        for id in ids:
            known = self._store.goodwill.get(id)
            given = self._store.given(known, self._group(known), now)

            def watch(each: Goodwill, given: Sequence[Goodwill] = given) -> Change[Goodwill]:
                if each.state is not GoodwillState.AWAITING_APPROVAL:
                    return each, []
                try:
                    handed, events = matrix.hand_on(each, given, now, absences)
                except NobodyMayApprove:
                    handed, events = each, []  # the one who was asked stays asked
                reminded, more = handed.remind(now, self._clocks.hours_of)
                return self._timed((reminded, [*events, *more]), now, always=True)

            self._store.goodwill.update(id, watch)

    def _timed(self, change: Change[Goodwill], now: datetime, *, always: bool = False) -> Change[Goodwill]:
        """A change with the time at which the goodwill is looked at next."""
        goodwill, events = change
        leaves = [each.start_time for each in self._store.absent(now) if each.agent_id == goodwill.approver_id]
        timed = goodwill.timed(now, self._clocks.hours_of, leaves)
        if always and not events and timed != goodwill:
            return timed.watch()
        return timed, events

    def _take_turns(self, goodwill: Goodwill) -> Sequence[str]:
        """Waits for others who give to the same customer or for the same agent. The ids of the customer."""
        group = self._group(goodwill)
        keys = [f"case:{goodwill.case_id}", f"agent:{goodwill.asked_by}", *(f"customer:{id}" for id in group[:1])]
        blanks = [(GoodwillTurn(id=self._store.turns.id_of(key)), None) for key in keys]
        self._store.turns.upsert_many(blanks, GoodwillTurn.take)
        return group

    def _group(self, goodwill: Goodwill) -> Sequence[str]:
        return self._store.customers.group(goodwill.customer_id) if goodwill.customer_id else ()

    def _repeated(self, known: Goodwill, draft: Goodwill, key: str) -> Goodwill:
        """The goodwill that a key was used for. SourceKeyReused when it was another one."""
        known.require_same(draft, key)
        return known

    def _made(self, key: str) -> Goodwill:
        return self._store.goodwill.get(self._store.goodwill.id_of(key)) if key else self._store.goodwill.made()

    def _withdraw(self, ids: Sequence[str]) -> None:
        self._store.goodwill.erase(ids)
        self._store.goodwill.update_many(((id, None) for id in ids), lambda each, _: each.erase())


def _with_id(change: Change[Goodwill], id: str) -> Change[Goodwill]:
    goodwill, events = change
    return replace(goodwill, id=id), events
