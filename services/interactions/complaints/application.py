"""Complaints: from receipt to confirmation, with the case, the promises and the remedies that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Change, DomainError
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Outcome
from libs.worktime.terms import Term
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseType
from services.interactions.cases.domain.record import DONE, USUAL
from services.interactions.clocks.domain.clocks import MessageKind, ServiceClocks
from services.interactions.clocks.domain.policies import ServiceMetric
from services.interactions.complaints.domain.attribution import Attribution, Taxonomy
from services.interactions.complaints.domain.complaints import (
    Complaint,
    ComplaintReceived,
    ComplaintSeverity,
)
from services.interactions.complaints.domain.recoveries import LaterDeal
from services.interactions.complaints.domain.refusals import AcknowledgementEmpty
from services.interactions.complaints.domain.reports import ComplaintReport, ComplaintSeen, ReportBackward, report
from services.interactions.complaints.domain.satisfaction import TimeToSatisfaction, time_to_satisfaction
from services.interactions.complaints.store import ComplaintsStore
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.remedies.domain.goodwill import Goodwill
from services.interactions.timeline.domain import Link

TAXONOMY: Final = "taxonomy"
"""Key of the taxonomy, of which a tenant has one."""
COMPLAINTS_LOOKED_AT: Final = 20_000
"""Complaints that a report looks at."""
READ_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PastComplaint:
    """A complaint as a source tells it."""

    source_key: str
    complaint: Complaint
    customer_id: str = ""
    received_time: datetime
    forwarded_time: datetime | None = None
    taxonomy_path: str = ""
    attribution: Attribution | None = None
    decision: str = ""
    timely: bool | None = None
    disputed: bool | None = None


class Complaints:
    """Everything that customers are not satisfied with."""

    def __init__(self, store: ComplaintsStore) -> None:
        self._store = store
        self._cases = Cases(store.cases)
        self._promises = Promises(store.promises)

    # ---------------------------------------------------------------------------------------------------- taxonomy

    def taxonomy(self) -> Taxonomy:
        """The causes of the tenant. The mandatory roots while it set none."""
        id = self._store.taxonomy.id_of(TAXONOMY)
        return self._store.taxonomy.find_by_id(id) or Taxonomy(id=id)

    def set_taxonomy(self, wanted: Taxonomy) -> Taxonomy:
        """Sets the causes, in their next version."""
        blank = Taxonomy(id=self._store.taxonomy.id_of(TAXONOMY))
        [taxonomy] = self._store.taxonomy.upsert_many([(blank, wanted)], Taxonomy.set)
        return taxonomy

    # --------------------------------------------------------------------------------------------------- beginning

    def receive(self, draft: Complaint) -> Complaint:
        """Takes in a complaint. The case that it grew from becomes one, once."""
        case, now = self._store.cases.cases.get(draft.case_id), identity.now()
        key = draft.case_id
        id = self._store.complaints.id_of(key)
        change = Complaint.receive(
            id,
            case_id=case.id,
            customer_id=case.customer_id,
            complained_of=draft.complained_of,
            now=now,
            first_time=draft.first_time or case.open_time,
            severity=draft.severity,
            occurred_time=draft.occurred_time,
            requested_remedy=draft.requested_remedy,
        )

        def work() -> Complaint:
            self._cases.convert(case.id)
            return self._store.complaints.insert(change, key=key)

        return self._while_living(
            case.customer_id,
            lambda: self._store.database.transact(work, again=lambda: self._store.complaints.get(id)),
        )

    def get(self, complaint_id: str) -> Complaint:
        """One complaint."""
        return self._store.complaints.get(complaint_id)

    def list(self, filter: str, page: PageRequest) -> Page[Complaint]:
        """A page of complaints, the latest received first."""
        return self._store.list(filter, page)

    def story(self, complaint_id: str) -> tuple[Complaint, Case, Sequence[Promise], Sequence[Goodwill]]:
        """(complaint, its case, the promises about it, the goodwill of its case)."""
        complaint = self._store.complaints.get(complaint_id)
        case = self._store.cases.cases.get(complaint.case_id)
        ids = [each.id for each in case.links if each.kind == "promise"]
        if complaint.acknowledgement is not None:
            ids.append(complaint.acknowledgement.promise_id)
        promises = self._store.promises.with_ids(sorted(set(ids)))
        return complaint, case, promises, self._store.remedies.of_case(case.id)

    # ------------------------------------------------------------------------------------------------- the machine

    def rate(self, complaint_id: str, severity: ComplaintSeverity, *, revision: int = 0) -> Complaint:
        """Rates a complaint."""
        return self._change(complaint_id, lambda each, now: each.rate(severity, now), revision)

    def acknowledge(self, complaint_id: str, plan: str, term: Term | None, *, revision: int = 0) -> Complaint:
        """Tells the customer how it is handled, and promises by when: plan, promise and clock, all or none."""
        known = self._store.complaints.get(complaint_id)
        given = {"plan": plan.strip(), "term": term, "customer_id": known.customer_id}
        if missing := tuple(name for name, value in given.items() if not value):
            raise AcknowledgementEmpty(missing=missing)

        def told() -> Change[Complaint]:
            timely = self._in_time(self._store.cases.cases.get(known.case_id))
            promise = self._promises.make(
                Promise(
                    id="",
                    customer_id=known.customer_id,
                    text=plan.strip(),
                    about=Link(kind="case", id=known.case_id),
                    term=term or Term(),
                )
            )
            self._cases.link(known.case_id, [Link(kind="promise", id=promise.id)], [])
            self._cases.hear(known.case_id, f"acknowledged {known.id}", MessageKind.ACKNOWLEDGEMENT)
            current = self._store.complaints.get(complaint_id)
            return current.acknowledge(plan, promise.due_time, promise.id, identity.now(), timely=timely)

        return self._together(known, told, revision)

    def assess(
        self,
        complaint_id: str,
        severity: ComplaintSeverity,
        scope: str,
        path: str,
        attribution: Attribution,
        *,
        revision: int = 0,
    ) -> Complaint:
        """Puts a complaint to its cause and to what is behind it."""
        taxonomy = self.taxonomy()
        references = taxonomy.references
        return self._change(
            complaint_id,
            lambda each, now: each.assess(
                severity, scope, path, attribution, now, taxonomy=taxonomy, references=references
            ),
            revision,
        )

    def investigate(self, complaint_id: str, *, revision: int = 0) -> Complaint:
        """Begins to look for the causes."""
        return self._change(complaint_id, lambda each, now: each.investigate(now), revision)

    def find(self, complaint_id: str, finding: str, *, revision: int = 0) -> Complaint:
        """Adds a finding."""
        return self._change(complaint_id, lambda each, _: each.find(finding), revision)

    def propose(self, complaint_id: str, decision: str, goodwill_ids: Sequence[str], *, revision: int = 0) -> Complaint:
        """Answers, with goodwill that is posted."""
        goodwill = tuple(self._store.remedies.goodwill.batch_get(list(dict.fromkeys(goodwill_ids))))
        return self._change(complaint_id, lambda each, now: each.propose(decision, now, goodwill=goodwill), revision)

    def accept(self, complaint_id: str, *, revision: int = 0) -> Complaint:
        """The customer takes the remedy."""
        return self._change(complaint_id, lambda each, now: each.accept(now), revision)

    def reject(self, complaint_id: str, *, revision: int = 0) -> Complaint:
        """The customer does not."""
        return self._change(complaint_id, lambda each, now: each.reject(now), revision)

    def hand_to_regulator(self, complaint_id: str, regulator_ref: str, *, revision: int = 0) -> Complaint:
        """A regulator takes over."""
        return self._change(complaint_id, lambda each, now: each.go_external(regulator_ref, now), revision)

    def appeal(self, complaint_id: str, reason: str, *, revision: int = 0) -> Complaint:
        """The customer asks for another decision. Its case goes on, however long ago it was resolved."""
        known = self._store.complaints.get(complaint_id)

        def told() -> Change[Complaint]:
            if self._store.cases.cases.get(known.case_id).state in DONE:
                self._cases.reopen_again(known.case_id, reason)
            return self._store.complaints.get(complaint_id).appeal(reason, identity.now())

        return self._together(known, told, revision)

    def complete(self, complaint_id: str, feedback: str, *, revision: int = 0) -> Complaint:
        """The remedy is done and the customer told. Its case is resolved, past no guard."""
        known = self._store.complaints.get(complaint_id)

        def told() -> Change[Complaint]:
            change = self._store.complaints.get(complaint_id).remedy(feedback, identity.now())
            if self._store.cases.cases.get(known.case_id).state not in DONE:
                self._cases.resolve(known.case_id, known.taxonomy_path, feedback)
            return change

        return self._together(known, told, revision)

    def confirm(self, complaint_id: str, *, revision: int = 0) -> Complaint:
        """The customer says that it is made good. Its case closes confirmed."""
        known = self._store.complaints.get(complaint_id)

        def told() -> Change[Complaint]:
            change = self._store.complaints.get(complaint_id).confirm(identity.now())
            case = self._store.cases.cases.get(known.case_id)
            if case.state in DONE and case.confirmed_time is None:
                self._cases.confirm(case.id)
            return change

        return self._together(known, told, revision)

    def wake(self, due: Sequence[Complaint]) -> None:
        """Reaches out to quiet customers once, and then lets silence close. The state decides."""
        grace = self._cases.terms().grace
        for each in due:

            def told(id: str = each.id) -> Change[Complaint]:
                known = self._store.complaints.get(id)
                change = known.wake(identity.now(), grace)
                if change[0].state is not known.state:
                    self._cases.close_quietly(known.case_id)
                return change

            self._together(each, told, 0)

    # ------------------------------------------------------------------------------------- complaints of the past

    def take(self, rows: Sequence[PastComplaint | DomainError]) -> Sequence[Outcome[Complaint]]:
        """Outcome of each complaint of the past, which gets a case of its own."""
        taxonomy, now, terms = self.taxonomy(), identity.now(), self._cases.terms()

        def make(row: PastComplaint) -> tuple[PastComplaint, Change[Case], Change[Complaint]]:
            draft = Case(
                id=self._store.cases.cases.id_of(_key(row)),
                customer_id=row.customer_id,
                subject=row.complaint.complained_of[:500],
                type=CaseType.COMPLAINT,
                source_key=row.source_key,
            )
            clocks = ServiceClocks(priority=terms.priority(USUAL, USUAL))
            opened = draft.open(terms, now=row.received_time, clocks=clocks)
            return row, opened, self._past(row, opened[0].id, taxonomy, now)

        def store(
            made: Sequence[tuple[PastComplaint, Change[Case], Change[Complaint]]],
        ) -> Sequence[Outcome[Complaint]]:
            keys, contents = [_key(row) for row, _, _ in made], [row for row, _, _ in made]
            self._store.cases.cases.insert_many([case for _, case, _ in made], keys=keys, contents=contents)
            return self._store.complaints.insert_many([each for _, _, each in made], keys=keys, contents=contents)

        return self._store.customers.take(
            rows,
            make,
            lambda made: self._store.database.transact(lambda: store(made)),
            of=lambda row: row.customer_id,
            withdraw=self._withdraw_past,
        )

    def _withdraw_past(self, ids: Sequence[str]) -> None:
        """Takes the words out of complaints of the past and of their cases."""
        self._withdraw(ids)
        self._cases.withdraw([each.case_id for each in self._store.complaints.batch_get(ids)])

    def _past(self, row: PastComplaint, case_id: str, taxonomy: Taxonomy, now: datetime) -> Change[Complaint]:
        if row.taxonomy_path:
            taxonomy.check(row.taxonomy_path)
        if row.attribution is not None:
            taxonomy.references.check(row.attribution)
        received, events = Complaint.receive(
            self._store.complaints.id_of(_key(row)),
            case_id=case_id,
            customer_id=row.customer_id,
            complained_of=row.complaint.complained_of,
            now=min(row.received_time, now),
            severity=row.complaint.severity,
            occurred_time=row.complaint.occurred_time,
            requested_remedy=row.complaint.requested_remedy,
        )
        told = replace(
            received,
            forwarded_time=row.forwarded_time,
            taxonomy_path=row.taxonomy_path,
            taxonomy_version=taxonomy.version if row.taxonomy_path else 0,
            attribution=row.attribution,
            decision=row.decision,
            timely=row.timely,
            disputed=row.disputed,
            source_key=row.source_key,
        )
        return told, [ComplaintReceived(complaint=told), *events[1:]]

    # ------------------------------------------------------------------------------------------------- later deals

    def follow(self, customer_id: str, deal: LaterDeal) -> None:
        """Puts a deal to the complaints of its customer that had ended before it."""
        self._each_of(customer_id, lambda each: each.follow(deal))

    def unfollow(self, customer_id: str, deal_id: str) -> None:
        """Takes a deal that was not won after all from the complaints of its customer."""
        self._each_of(customer_id, lambda each: each.unfollow(deal_id))

    def _each_of(self, customer_id: str, change: Callable[[Complaint], Change[Complaint]]) -> None:
        if customer_id:
            found = self._store.of_customer(self._store.customers.group(customer_id))
            self._store.complaints.update_many(((each.id, None) for each in found), lambda each, _: change(each))

    # ----------------------------------------------------------------------------------------------------- reports

    def report(self, start: datetime, end: datetime) -> ComplaintReport:
        """The complaints that came in within a stretch of time, counted."""
        seen = list(islice(map(ComplaintSeen.of, self._received(start, end)), COMPLAINTS_LOOKED_AT + 1))
        return report(seen[:COMPLAINTS_LOOKED_AT], truncated=len(seen) > COMPLAINTS_LOOKED_AT)

    def satisfaction(self, start: datetime, end: datetime) -> TimeToSatisfaction:
        """The time from the first word to the confirmation, of complaints that came in within a stretch of time."""
        return time_to_satisfaction(islice(self._received(start, end), COMPLAINTS_LOOKED_AT), identity.now())

    def _received(self, start: datetime, end: datetime) -> Iterator[Complaint]:
        if end <= start:
            raise ReportBackward(start_time=start, end_time=end)
        place = ""
        while True:
            found, place = self._store.received_within(start, end, place, READ_AT_ONCE)
            yield from found
            if not place:
                return

    # ------------------------------------------------------------------------------------------------------- steps

    def _change(
        self, complaint_id: str, change: Callable[[Complaint, datetime], Change[Complaint]], revision: int
    ) -> Complaint:
        now, grace = identity.now(), self._cases.terms().grace

        def timed(each: Complaint) -> Change[Complaint]:
            changed, events = change(each, now)
            return (changed.timed(grace), events) if events else (changed, events)

        return self._while_living(
            self._store.complaints.get(complaint_id).customer_id,
            lambda: self._store.complaints.update(complaint_id, timed, revision=revision),
        )

    def _together(self, known: Complaint, told: Callable[[], Change[Complaint]], revision: int) -> Complaint:
        """A change of a complaint together with its case: both or neither."""
        grace = self._cases.terms().grace

        def work() -> Complaint:
            changed, events = told()
            timed = changed.timed(grace) if events else changed
            return self._store.complaints.update(known.id, lambda _: (timed, events), revision=revision)

        return self._while_living(
            known.customer_id,
            lambda: self._store.database.transact(work, again=lambda: self._store.complaints.get(known.id)),
        )

    def _in_time(self, case: Case) -> bool | None:
        """True while the clock of the acknowledgement is not breached. None without one."""
        now = identity.now()
        clocks = case.clocks.of(ServiceMetric.ACKNOWLEDGEMENT) if case.clocks is not None else ()
        if not clocks:
            return None
        return clocks[-1].stands(now, self._cases.hours_of).breached_time is None

    def _while_living(self, customer_id: str, write: Callable[[], Complaint]) -> Complaint:
        return self._store.customers.while_living({customer_id}, write, lambda each: self._withdraw([each.id]))

    def _withdraw(self, ids: Sequence[str]) -> None:
        self._store.complaints.erase(ids)
        self._store.complaints.update_many(((id, None) for id in ids), lambda each, _: each.erase())


def _key(row: PastComplaint) -> str:
    return f"complaint:{row.source_key}"
