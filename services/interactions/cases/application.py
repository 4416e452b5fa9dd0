"""Cases: opening, working on and closing them, with their guards on every path and their clocks beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from libs.chassis import context, identity
from libs.chassis.domain import Change, DomainError
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Outcome
from libs.worktime.clock import CalendarVersion
from libs.worktime.hours import Hours
from libs.worktime.refusals import ClockEventAhead
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CancelReason, CaseState, ChecklistItem, OpenPromise
from services.interactions.cases.domain.past import ANY_TIME, PastCase, replay
from services.interactions.cases.domain.record import CLOSED, DONE, OPEN, RESOLVED, USUAL
from services.interactions.cases.domain.refusals import CaseRowUnfit
from services.interactions.cases.domain.relations import come_back, merge, split
from services.interactions.cases.domain.status import PublicStatus, public_status
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.cases.store import CasesStore
from services.interactions.clocks.application import Clocks
from services.interactions.clocks.domain.clocks import MessageKind, ServiceClocks
from services.interactions.clocks.domain.policies import ServicePolicy, ServicePolicyVersion
from services.interactions.promises.domain import Promise, PromiseState
from services.interactions.timeline.domain import Link

TERMS: Final = "terms"
"""Key of the terms, of which a tenant has one."""
PROMISES_READ: Final = 200
"""Promises of a customer that are looked at before one of its cases is resolved."""
SKEW: Final = timedelta(minutes=5)
"""Time by which the clock of whoever tells of a message may be ahead. It then counts as told now."""
BULK: Final = (OPEN, RESOLVED, CLOSED, CaseState.CANCELLED)
"""States that a bulk change reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTransition:
    """A move of one case among many."""

    case_id: str
    state: CaseState
    cause: str = ""
    explanation: str = ""
    cancel_reason: CancelReason = CancelReason.DUPLICATE


class Cases:
    """Everything that customers need done."""

    def __init__(self, store: CasesStore) -> None:
        self._store = store
        self._clocks = Clocks(store.clocks)

    # --------------------------------------------------------------------------------------------------- beginning

    def create(self, draft: Case, *, owner: str = "", team: str = "", policy_id: str = "", tier: str = "") -> Case:
        """A new case, whose clocks start under a policy or else under that of the terms, for the tier of its customer.

        A caller who knows the tier better says so.
        """
        now, terms = identity.now(), self.terms()
        tier = tier or self._store.customers.tier_of(draft.customer_id)
        clocks = self._started(policy_id or terms.policy_id, now, tier)
        drafted = replace(draft, owner=owner, team=team, source_key="", split_from="", follows="", level=1)
        return self._while_living(
            draft.customer_id,
            lambda: self._store.cases.insert(
                lambda id: self._timed(
                    replace(drafted, id=id).open(terms, now=now, clocks=clocks(draft, terms)), now, terms
                )
            ),
        )

    def answer_alert(self, draft: Case, *, owner: str) -> None:
        """Opens a case for an alert. Of a customer who was erased there is nobody to answer."""
        if not self._store.customers.erased([draft.customer_id]):
            self.create(draft, owner=owner)

    def get(self, case_id: str) -> Case:
        """One case."""
        return self._store.cases.get(case_id)

    def list(self, filter: str, page: PageRequest) -> Page[Case]:
        """A page of cases, the latest opened first."""
        return self._store.list(filter, page)

    def public_status(self, case_id: str) -> PublicStatus:
        """A case as its customer may see it."""
        return public_status(self._store.cases.get(case_id))

    # ------------------------------------------------------------------------------------------------- the machine

    def start(self, case_id: str, *, revision: int = 0) -> Case:
        """Goes on with a case."""
        return self._change(case_id, lambda each, now, _: each.start(now), revision)

    def wait(self, case_id: str, state: CaseState, next_step: str, next_time: datetime, *, revision: int = 0) -> Case:
        """Lets a case wait."""
        return self._change(case_id, lambda each, now, _: each.wait(state, next_step, next_time, now), revision)

    def resolve(self, case_id: str, cause: str, explanation: str, *, revision: int = 0) -> Case:
        """Resolves a case, when no promise about it is due and open."""
        known = self._store.cases.get(case_id)
        promises = self._open_promises(known)
        return self._change(
            case_id,
            lambda each, now, _: each.resolve(cause, explanation, now, promises=promises),
            revision,
            known=known,
        )

    def confirm(self, case_id: str, *, revision: int = 0) -> Case:
        """The customer confirms."""
        return self._change(case_id, lambda each, now, _: each.confirm(now), revision)

    def cancel(self, case_id: str, reason: CancelReason, *, revision: int = 0) -> Case:
        """Cancels a case that was opened by mistake."""
        return self._change(case_id, lambda each, now, _: each.cancel(reason, now), revision)

    def reopen(self, case_id: str, reason: str, *, revision: int = 0) -> Case:
        """The case in which a case that came back goes on: itself within its window, else one that follows it."""
        return self._reopen(self._store.cases.get(case_id), reason, revision)

    def _reopen(self, known: Case, reason: str, revision: int = 0) -> Case:
        now, terms = identity.now(), self.terms()
        if known.state not in DONE or known.is_within_window(now, terms):

            def back(case: Case, now: datetime, terms: CaseTerms) -> Change[Case]:
                return case.reopen(reason, now, terms)

            return self._change(known.id, back, revision, known=known, terms=terms)
        follow = self._follow(known, reason, now, terms)
        return self._while_living(known.customer_id, lambda: self._store.cases.insert(follow))

    def reopen_again(self, case_id: str, reason: str) -> Case:
        """The same case in a new episode, however long ago it was resolved: for whoever appeals."""
        return self._change(
            case_id, lambda each, now, terms: each.reopen(reason, now, replace(terms, reopen_window=ANY_TIME))
        )

    def close_quietly(self, case_id: str) -> None:
        """Closes a resolved case whose customer was reached out to in vain. Any other one stays as it is."""

        def close(case: Case, now: datetime, terms: CaseTerms) -> Change[Case]:
            return case.close_silently(now, terms) if case.state is RESOLVED else (case, [])

        self._change(case_id, close)

    def convert(self, case_id: str) -> Case:
        """The case has grown into a complaint."""
        return self._change(case_id, lambda each, now, _: each.convert_to_complaint(now))

    def transition(self, rows: Sequence[CaseTransition | DomainError]) -> Sequence[Outcome[Case]]:
        """Outcome of each move of many cases. None passes a guard that a single call would not pass."""
        return [self._moved(row) for row in rows]

    # ------------------------------------------------------------------------------------------------------- parts

    def update(self, case_id: str, merged: Callable[[Case], Case], *, revision: int = 0) -> Case:
        """Writes fields anew, where `merged` gives a case the content that was sent."""
        known = self._store.cases.get(case_id)
        policy = self._policy_of(known, identity.now())

        def updated(case: Case, now: datetime, terms: CaseTerms) -> Change[Case]:
            return case.update(merged(case), terms, now, policy)

        return self._change(case_id, updated, revision, known=known)

    def assign(self, case_id: str, owner: str, *, team: str = "", reason: str = "", revision: int = 0) -> Case:
        """Gives a case another owner."""
        return self._change(case_id, lambda each, now, _: each.assign(owner, now, team=team, reason=reason), revision)

    def lend(self, case_id: str, agent_id: str, note: str, *, revision: int = 0) -> Case:
        """Lends a case to another agent."""
        return self._change(case_id, lambda each, now, _: each.lend(agent_id, note, now), revision)

    def take_back(self, case_id: str, *, revision: int = 0) -> Case:
        """Ends the loan of a case."""
        return self._change(case_id, lambda each, now, _: each.take_back(now), revision)

    def swarm(self, case_id: str, joins: Sequence[str], leaves: Sequence[str], *, revision: int = 0) -> Case:
        """Changes who works on a case together with its owner."""
        return self._change(case_id, lambda each, *_: each.swarm_with(joins, leaves), revision)

    def require(self, case_id: str, item: ChecklistItem, *, revision: int = 0) -> Case:
        """Adds something to do before a case is resolved."""
        return self._change(case_id, lambda each, *_: each.require(item), revision)

    def tick(self, case_id: str, item_id: str, *, waive_reason: str = "", revision: int = 0) -> Case:
        """An item of the checklist is done, or let go for a reason."""
        actor = context.current().actor
        return self._change(
            case_id, lambda each, now, _: each.tick(item_id, actor, now, waive_reason=waive_reason), revision
        )

    def link(self, case_id: str, adds: Sequence[Link], removes: Sequence[Link], *, revision: int = 0) -> Case:
        """Changes what a case is about."""
        return self._change(case_id, lambda each, *_: each.link(adds, removes), revision)

    def wish(self, case_id: str, text: str, *, revision: int = 0) -> Case:
        """Adds a wish of the customer."""
        return self._change(case_id, lambda each, now, _: each.wish(text, now), revision)

    def hear(
        self, case_id: str, message_id: str, kind: MessageKind, at: datetime | None = None, *, revision: int = 0
    ) -> Case:
        """Takes in a message about a case. One from the future is refused, and counts as now within a small skew."""
        now = identity.now()
        if at is not None and at > now + SKEW:
            raise ClockEventAhead(time=at)
        heard = min(at or now, now)
        return self._change(case_id, lambda each, now, terms: each.hear(message_id, kind, heard, now, terms), revision)

    def hear_of(self, case_id: str, message_id: str, kind: MessageKind, at: datetime) -> None:
        """Takes in an interaction that names a case, which may not exist. After its window a new one follows it."""
        known, now, terms = self._store.cases.find_by_id(case_id), identity.now(), self.terms()
        if known is None or self._store.customers.erased([known.customer_id]):
            return
        if kind is MessageKind.CUSTOMER and known.state in DONE and not known.is_within_window(now, terms):
            key = f"{case_id}:{message_id}"
            follow = self._follow(known, "the customer wrote again", now, terms)
            self._store.cases.insert(follow(self._store.cases.id_of(key)), key=key)
            return
        heard = min(at, now)
        self._store.cases.update(
            case_id, lambda each: self._timed(each.hear(message_id, kind, heard, now, terms), now, terms)
        )

    # ---------------------------------------------------------------------------------------------- several cases

    def merge(self, case_id: str, survivor_id: str, *, revision: int = 0) -> Case:
        """Merges a case into another one of the same customer. The survivor."""
        now, terms = identity.now(), self.terms()

        def work() -> Case:
            absorbed, survivor = self._store.cases.get(case_id), self._store.cases.get(survivor_id)
            same = survivor.customer_id in self._store.customers.group(absorbed.customer_id) or (
                absorbed.customer_id == survivor.customer_id
            )
            gone, kept = merge(absorbed, survivor, now, same_customer=same)
            self._store.cases.update(case_id, lambda _: self._timed(gone, now, terms), revision=revision)
            return self._store.cases.update(survivor_id, lambda _: self._timed(kept, now, terms))

        return self._store.database.transact(work, again=lambda: self._store.cases.get(survivor_id))

    def split(self, case_id: str, subject: str, links: Sequence[Link], *, revision: int = 0) -> Case:
        """Makes a second matter a case of its own. The new one."""
        now, terms = identity.now(), self.terms()
        known = self._store.cases.get(case_id)
        clocks = self._again(known, now)

        def work() -> Case:
            id = self._store.cases.next_id()
            case = self._store.cases.get(case_id)
            rest, second = split(case, id, subject, links, now, terms=terms, clocks=clocks)
            self._store.cases.update(case_id, lambda _: self._timed(rest, now, terms), revision=revision)
            return self._store.cases.insert(self._timed(second, now, terms))

        return self._while_living(
            known.customer_id, lambda: self._store.database.transact(work, again=self._store.cases.made)
        )

    # ------------------------------------------------------------------------------------------ cases of the past

    def take(self, rows: Sequence[PastCase | DomainError], policy_id: str = "") -> Sequence[Outcome[Case]]:
        """Outcome of each case of the past. One that could not be read comes as its error.

        Its clocks are those of the policy at its opening, and nobody is told of what they reached.
        """
        now, terms = identity.now(), self.terms()
        policy = self._clocks.get(policy_id) if policy_id else None

        def make(row: PastCase) -> tuple[PastCase, Change[Case]]:
            return row, self._past(row, terms, policy, now)

        def store(made: Sequence[tuple[PastCase, Change[Case]]]) -> Sequence[Outcome[Case]]:
            return self._store.cases.insert_many(
                [case for _, case in made],
                keys=[row.source_key for row, _ in made],
                contents=[row for row, _ in made],
            )

        return self._store.customers.take(
            rows, make, store, of=lambda row: row.case.customer_id, withdraw=self.withdraw
        )

    # -------------------------------------------------------------------------------------------- terms and clock

    def hours_of(self, calendar: CalendarVersion) -> Hours:
        """The hours of a calendar at one of its revisions."""
        return self._clocks.hours_of(calendar)

    def terms(self) -> CaseTerms:
        """The terms of the tenant, the usual ones while it set none."""
        id = self._store.terms.id_of(TERMS)
        return self._store.terms.find_by_id(id) or CaseTerms(id=id)

    def set_terms(self, wanted: CaseTerms) -> CaseTerms:
        """Sets the terms of the tenant."""
        if wanted.policy_id:
            self._clocks.get(wanted.policy_id)
        blank = CaseTerms(id=self._store.terms.id_of(TERMS))
        [terms] = self._store.terms.upsert_many([(blank, wanted)], CaseTerms.set)
        return terms

    def wake(self, due: Sequence[Case]) -> None:
        """Moves on cases whose time has come.

        May run in several processes at the same time: the state of a case decides, so each step happens once.
        """
        now, terms = identity.now(), self.terms()
        self._store.cases.update_many(
            ((case.id, now) for case in due), lambda case, at: case.wake(at, self._clocks.hours_of, terms)
        )

    def recount(self, ids: Sequence[str], change: Callable[[Case], Change[Case]]) -> None:
        """Changes cases whose clocks are counted anew."""
        now, terms = identity.now(), self.terms()
        self._store.cases.update_many(((id, None) for id in ids), lambda case, _: self._timed(change(case), now, terms))

    # ------------------------------------------------------------------------------------------------------- steps

    def _change(
        self,
        case_id: str,
        change: Callable[[Case, datetime, CaseTerms], Change[Case]],
        revision: int = 0,
        *,
        known: Case | None = None,
        terms: CaseTerms | None = None,
    ) -> Case:
        """Changes a case. What was read of it and of the terms already is not read again."""
        now, terms = identity.now(), terms or self.terms()
        return self._while_living(
            (known or self._store.cases.get(case_id)).customer_id,
            lambda: self._store.cases.update(
                case_id, lambda each: self._timed(change(each, now, terms), now, terms), revision=revision
            ),
        )

    def _timed(self, change: Change[Case], now: datetime, terms: CaseTerms) -> Change[Case]:
        """A change with the time at which the case is woken next."""
        case, events = change
        return (case.timed(now, self._clocks.hours_of, terms), events) if events else change

    def _while_living(self, customer_id: str, write: Callable[[], Case]) -> Case:
        """Writes, and withdraws the words when the customer is erased meanwhile."""
        return self._store.customers.while_living({customer_id}, write, lambda case: self.withdraw([case.id]))

    def withdraw(self, ids: Sequence[str]) -> None:
        self._store.cases.erase(ids)
        self._store.cases.update_many(((id, None) for id in ids), lambda each, _: each.erase())

    def _started(self, policy_id: str, at: datetime, tier: str) -> Callable[[Case, CaseTerms], ServiceClocks]:
        """Makes clocks for a draft, once its priority is known."""
        version = self._clocks.in_force(policy_id, at) if policy_id else None

        def clocks(draft: Case, terms: CaseTerms) -> ServiceClocks:
            priority = terms.priority(draft.impact or USUAL, draft.urgency or USUAL)
            if version is None:
                return ServiceClocks(priority=priority, tier=tier)
            return ServiceClocks.under(version, priority, tier)

        return clocks

    def _again(self, case: Case, now: datetime) -> ServiceClocks:
        """Clocks for a case that goes on from another one."""
        before = case.clocks
        tier = before.tier if before is not None else ""
        version = self._policy_of(case, now)
        if version is None:
            return ServiceClocks(priority=case.priority, tier=tier)
        return ServiceClocks.under(version, case.priority, tier)

    def _follow(self, case: Case, reason: str, now: datetime, terms: CaseTerms) -> Callable[[str], Change[Case]]:
        """Makes the case that follows another one, which came back after its window."""
        clocks = self._again(case, now)

        def follow(id: str) -> Change[Case]:
            returned = come_back(case, id, reason, now, terms=terms, clocks=clocks)
            assert returned.follow_up is not None, case.id  # noqa: S101  (it is past its window)
            return self._timed(returned.follow_up, now, terms)

        return follow

    def _policy_of(self, case: Case, now: datetime) -> ServicePolicyVersion | None:
        """The version in force of the policy that a case is measured by."""
        if case.clocks is None or not case.clocks.policy_id:
            return None
        return self._clocks.in_force(case.clocks.policy_id, now)

    def _open_promises(self, case: Case) -> Sequence[OpenPromise]:
        """Promises about a case that are neither kept nor made good, by its links and by what they say."""
        ids = self._store.customers.group(case.customer_id) if case.customer_id else ()
        found: dict[str, Promise] = {}
        if ids:
            theirs = [
                *self._store.promises.pending_of(ids, PROMISES_READ),
                *self._store.promises.broken_of(ids, case.open_time or identity.now(), PROMISES_READ),
            ]
            about = Link(kind="case", id=case.id)
            found |= {each.id: each for each in theirs if each.about == about}
        linked = [each.id for each in case.links if each.kind == "promise"]
        found |= {each.id: each for each in self._store.promises.with_ids(linked)}
        return [
            OpenPromise(id=each.id, due_time=each.due_time)
            for each in found.values()
            if each.due_time is not None and (each.is_pending or each.state is PromiseState.BROKEN)
        ]

    def _moved(self, row: CaseTransition | DomainError) -> Outcome[Case]:
        try:
            if isinstance(row, DomainError):
                raise row
            if row.state not in BULK:
                raise CaseRowUnfit(state=row.state, allowed=BULK)
            return Outcome(entity=self._to_state(row))
        except DomainError as error:
            return Outcome(error=error)

    def _to_state(self, row: CaseTransition) -> Case:
        if row.state is RESOLVED:
            return self.resolve(row.case_id, row.cause, row.explanation)
        if row.state is CLOSED:
            return self.confirm(row.case_id)
        if row.state is CaseState.CANCELLED:
            return self.cancel(row.case_id, row.cancel_reason)
        known = self._store.cases.get(row.case_id)
        if known.state in DONE:
            return self._reopen(known, row.explanation)
        return self._change(row.case_id, lambda each, now, _: each.start(now), known=known)

    def _past(self, row: PastCase, terms: CaseTerms, policy: ServicePolicy | None, now: datetime) -> Change[Case]:
        id = self._store.cases.id_of(row.source_key)
        priority = terms.priority(row.case.impact or USUAL, row.case.urgency or USUAL)
        version = self._clocks.pinned(policy.at(row.open_time)) if policy is not None else None
        clocks = ServiceClocks.under(version, priority) if version is not None else ServiceClocks(priority=priority)
        case, events = replay(replace(row, case=replace(row.case, id=id)), terms, now, clocks, version)
        if case.clocks is not None:
            case = replace(case, clocks=case.clocks.tell(now, self._clocks.hours_of)[0])
        return self._timed((case, events), now, terms)
