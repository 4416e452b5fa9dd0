"""The ledger: reserving, using and releasing benefits, and checking that nobody was skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import Change
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.care.customers.domain.projection import CustomerProjection
from services.care.entitlements.domain import (
    BenefitAccount,
    BenefitBalance,
    BenefitNotLeft,
    BenefitStanding,
    BenefitUse,
    Claimant,
    CustomerBenefits,
    EntitlementTerm,
    EquityReport,
    EquityTally,
)
from services.care.entitlements.store import EntitlementsStore

BATCH: Final = 500
Step = Callable[[BenefitStanding], Change[BenefitStanding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityAsked:
    """A benefit that is checked."""

    benefit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityProgress:
    """Place of a check in all customers, and what was counted up to there."""

    place: str = ""
    done: int = 0
    tally: EquityTally = field(default_factory=EquityTally)


class Entitlements:
    """Benefits of customers, and what they had of them."""

    def __init__(self, store: EntitlementsStore) -> None:
        self._store = store

    # ------------------------------------------------------------------------------------------- what is told

    def learn_terms(self, terms: Sequence[EntitlementTerm]) -> None:
        """Takes in what profiles gives to whom."""
        blanks = [(EntitlementTerm(id=each.id), each) for each in terms]
        self._store.terms.upsert_many(blanks, EntitlementTerm.learn)

    def stand(self, steps: Iterable[tuple[str, Step]]) -> None:
        """Takes in what entitles customers."""
        told = list(steps)
        gone = {each.id for each in self._store.customers.erased(id for id, _ in told)}
        blanks = [
            (BenefitStanding(id=self._store.standings.id_of(id), customer_id=id), step)
            for id, step in told
            if id and id not in gone
        ]
        self._store.standings.upsert_many(blanks, lambda standing, step: step(standing))

    # ------------------------------------------------------------------------------------------------ the ledger

    def benefits(self, customer_id: str) -> CustomerBenefits:
        """The benefits of a customer today."""
        customer = self._store.customers.require(customer_id)
        claimant = self._claimant(customer)
        found = claimant.benefits(self._store.terms_of())
        balances = (self._balance(claimant, term) for _, term in sorted(found.items()))
        return CustomerBenefits(customer_id=customer.id, benefits=tuple(balances))

    def reserve(self, customer_id: str, benefit: str, cause: str) -> BenefitUse:
        """Reserves a benefit for a cause, once. BenefitNotLeft when nothing is left of it."""
        customer = self._store.customers.require(customer_id)
        group = self._store.customers.group(customer.id, customer)
        ids = [self._store.use_id(each, benefit, cause) for each in group]

        def known() -> BenefitUse | None:
            found = [each for each in map(self._store.uses.find_by_id, ids) if each is not None]
            return next((each for each in found if each.counts), next(iter(found), None))

        def repeated() -> BenefitUse:
            return known() or self._store.uses.get(ids[0])

        def work() -> BenefitUse:
            before = known()
            if before is not None and before.counts:
                return before
            claimant = self._claimant(customer)
            term = claimant.benefits(self._store.terms_of(benefit)).get(benefit)
            if term is None:
                raise BenefitNotLeft(customer_id=customer.id, benefit=benefit, explanation="nothing entitles it")
            balance = self._balance(claimant, term)
            if balance.remaining is not None and balance.remaining < 1:
                words = f"{balance.taken} of {balance.allowance} were taken since {balance.period}"
                raise BenefitNotLeft(customer_id=customer.id, benefit=benefit, explanation=words)
            self._take(customer.id, benefit, balance.period, 1)
            if before is not None:
                return self._store.uses.update(before.id, lambda each: each.reserve(term, balance.period))
            draft = BenefitUse(id=ids[0], customer_id=customer.id, benefit=benefit, cause=cause)
            return self._store.uses.insert(draft.reserve(term, balance.period), key=f"{customer.id}:{benefit}:{cause}")

        return self._store.customers.while_living(
            {customer.id}, lambda: self._store.database.transact(work, again=repeated), lambda _: None
        )

    def use(self, use_id: str) -> BenefitUse:
        """Records that the customer had it."""
        now = identity.now()
        return self._store.uses.update(use_id, lambda each: each.use(now))

    def release(self, use_id: str) -> BenefitUse:
        """Gives it back."""
        now = identity.now()

        def work() -> BenefitUse:
            before = self._store.uses.get(use_id)
            released = self._store.uses.update(use_id, lambda each: each.release(now))
            if before.counts:
                self._take(before.customer_id, before.benefit, before.period, -1)
            return released

        return self._store.database.transact(work, again=lambda: self._store.uses.get(use_id))

    def get(self, use_id: str) -> BenefitUse:
        """One entry."""
        return self._store.uses.get(use_id)

    def list(self, filter: str, request: PageRequest) -> Page[BenefitUse]:
        """A page of entries, the latest first."""
        return self._store.list(filter, request)

    # -------------------------------------------------------------------------------------------------- equity

    def check(self, job: Job[EquityAsked, EquityProgress]) -> EquityReport:
        """Goes through all customers: who is entitled to a benefit, and who of them had it in the present period."""
        benefit, state = job.request.benefit, job.state
        terms = self._store.terms_of(benefit)
        while True:
            customers, place = self._store.customers.stretch(state.place, BATCH)
            tally = self._tallied(state.tally, customers, benefit, terms)
            state = replace(state, place=place, done=state.done + len(customers), tally=tally)
            if not place:
                return state.tally.report(benefit)
            job.progress(state.done, 0, state)

    def _tallied(
        self,
        tally: EquityTally,
        customers: Sequence[CustomerProjection],
        benefit: str,
        terms: Sequence[EntitlementTerm],
    ) -> EquityTally:
        living = [each for each in customers if not (each.merged_into or each.deleted or each.erased)]
        groups = {each.id: self._store.customers.group(each.id, each) for each in living}
        standings = self._store.standings_of(sorted({id for group in groups.values() for id in group}))
        entitled: list[tuple[CustomerProjection, str]] = []
        for each in living:
            theirs = [standings[id] for id in groups[each.id] if id in standings]
            claimant = Claimant(ids=groups[each.id], standings=theirs, day=_today(each))
            term = claimant.benefits(terms).get(benefit)
            if term is not None and term.allowance != 0:
                entitled.append((each, term.period_of(claimant.day)))
        taken = self._store.taken([(id, benefit, period) for each, period in entitled for id in groups[each.id]])
        for each, _ in entitled:
            served = any(taken.get(id, 0) for id in groups[each.id])
            tally = tally.with_customer(each.id, each.tier, served=served)
        return tally

    # --------------------------------------------------------------------------------------------------- parts

    def _claimant(self, customer: CustomerProjection) -> Claimant:
        group = self._store.customers.group(customer.id, customer)
        return Claimant(ids=group, standings=[*self._store.standings_of(group).values()], day=_today(customer))

    def _balance(self, claimant: Claimant, term: EntitlementTerm) -> BenefitBalance:
        period = term.period_of(claimant.day)
        taken = sum(self._store.taken([(id, term.benefit, period) for id in claimant.ids]).values())
        return BenefitBalance(
            benefit=term.benefit,
            entitlement_id=term.id,
            explanation=claimant.why(term),
            allowance=term.allowance,
            period=period,
            taken=taken,
            remaining=None if term.allowance is None else max(term.allowance - taken, 0),
        )

    def _take(self, customer_id: str, benefit: str, period: str, count: int) -> None:
        account = self._store.account(customer_id, benefit, period)
        self._store.accounts.upsert_many([(account, count)], BenefitAccount.take)


def _today(customer: CustomerProjection) -> date:
    """The day in the zone of the customer, where the year ends for it."""
    zone = ZoneInfo(customer.time_zones[0]) if customer.time_zones else None
    return identity.now().astimezone(zone).date() if zone is not None else identity.now().date()
