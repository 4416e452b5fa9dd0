"""Leads: capturing, judging and contacting them, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Change, DomainError, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from libs.chassis.rows import row_by_row
from libs.chassis.store import Outcome
from services.opportunities.calendars.application import hours as hours_in
from services.opportunities.leads.domain.filters import LeadFilter
from services.opportunities.leads.domain.forms import LeadForm, values_of
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.models import LeadFactor, LeadModel, LeadScore, basis_points, shown
from services.opportunities.leads.domain.parts import DisqualifyReason, LeadOrder, LeadState
from services.opportunities.leads.domain.refusals import AttributeUnknown
from services.opportunities.leads.domain.reports import LeadReport, tally
from services.opportunities.leads.domain.scoring import ClosedLead, fit
from services.opportunities.leads.domain.touches import Engagement, Touch, TouchKind
from services.opportunities.leads.store import LeadsStore

LEARNED_MAX: Final = 200_000
"""Closed leads, those of either outcome captured last, that a model is learned from at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLead:
    """A lead as a source tells it, perhaps with how it ended."""

    lead: Lead
    converted: bool | None = None
    close_time: datetime | None = None
    disqualify_reason: DisqualifyReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormTask:
    """Long work on the leads of a form, with the attributes that it looks at."""

    lead_form_id: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormTaskState:
    """How far it is."""

    version: int = 0
    """Version of the model that is learned. 0 before that is decided."""


class Forms:
    """The attributes that leads are described by, and filters under a name."""

    def __init__(self, store: LeadsStore) -> None:
        self._store = store

    def create(self, draft: LeadForm) -> LeadForm:
        """A new form."""
        return self._store.forms.insert(lambda id: replace(draft, id=id).create())

    def get(self, form_id: str) -> LeadForm:
        """One form."""
        return self._store.forms.get(form_id)

    def list(self, request: PageRequest) -> Page[LeadForm]:
        """A page of all forms, by name."""
        return self._store.list_forms(request)

    def update(self, form_id: str, merge: Callable[[LeadForm], LeadForm], *, revision: int = 0) -> LeadForm:
        """Writes fields of a form anew."""
        return self._store.forms.update(form_id, lambda each: each.update(merge(each)), revision=revision)

    def save_filter(self, draft: LeadFilter) -> LeadFilter:
        """A filter under its name, which may have been another one before."""
        self._store.list(draft.filter, None, LeadOrder.NEWEST, PageRequest(size=1))  # refuses what could not be used
        blank = LeadFilter(id=self._store.filters.id_of(draft.display_name))
        [saved] = self._store.filters.upsert_many([(blank, draft)], LeadFilter.save)
        return saved

    def filters(self, request: PageRequest) -> Page[LeadFilter]:
        """A page of saved filters, by name."""
        return self._store.list_filters(request)


class Leads:
    """Leads from their capture to their end."""

    def __init__(self, store: LeadsStore) -> None:
        self._store = store

    def capture(self, draft: Lead) -> Lead:
        """A new lead, or the one that its source told of before."""
        self._check(draft)
        return self._store.leads.insert(lambda id: replace(draft, id=id).capture(), key=_key(draft))

    def sense(self, needs: Iterable[Lead]) -> None:
        """Takes in needs of customers that care has found, each once. Nobody offers anything to an erased customer."""
        drafts = [*needs]
        gone = {each.id for each in self._store.customers.erased(each.customer_id for each in drafts)}
        for draft in drafts:
            if draft.customer_id not in gone:
                self._store.leads.insert(partial(_sensed, draft), key=_key(draft))

    def take(self, rows: Sequence[PastLead | DomainError]) -> Sequence[Outcome[Lead]]:
        """Outcome of each lead of the past. One that could not be read comes as its error."""
        forms = {id: self._store.forms.find_by_id(id) for id in {_form(row) for row in rows} - {""}}

        def make(row: PastLead) -> tuple[PastLead, Change[Lead]]:
            _check(row.lead, forms.get(row.lead.form_id))
            begun = replace(row.lead, id=self._store.leads.id_of(_key(row.lead)))
            past = begun.past(converted=row.converted, close_time=row.close_time, reason=row.disqualify_reason)
            return row, past

        def store(made: Sequence[tuple[PastLead, Change[Lead]]]) -> Sequence[Outcome[Lead]]:
            return self._store.leads.insert_many(
                [past for _, past in made],
                keys=[_key(row.lead) for row, _ in made],
                contents=[row for row, _ in made],
            )

        return row_by_row(rows, make, store)

    def get(self, lead_id: str) -> Lead:
        """One lead."""
        return self._store.leads.get(lead_id)

    def list(self, filter: str, filter_id: str, order: LeadOrder | None, request: PageRequest) -> Page[Lead]:
        """A page of leads, perhaps by a saved filter, whose order counts when none is given."""
        saved = self._store.filters.get(filter_id) if filter_id else None
        chosen = order or (saved.order if saved is not None else None) or LeadOrder.NEWEST
        return self._store.list(filter, saved, chosen, request)

    def update(self, lead_id: str, merge: Callable[[Lead], Lead], *, revision: int = 0) -> Lead:
        """Writes fields of a lead anew."""
        form_id = self._store.leads.get(lead_id).form_id
        form = self._store.forms.get(form_id) if form_id else None

        def change(lead: Lead) -> Change[Lead]:
            merged = merge(lead)
            _check(merged, form)
            return lead.update(merged)

        return self._while_living(lead_id, change, revision)

    def contact(self, lead_id: str, at: datetime | None, *, revision: int = 0) -> Lead:
        """Records an attempt to reach a lead."""
        now = identity.now()
        lead = self._store.leads.get(lead_id)
        moment = min(at or now, now)
        spent = self._spent(lead, moment)
        return self._while_living(lead_id, lambda each: each.contact(moment, spent), revision)

    def qualify(self, lead_id: str, note: str, *, revision: int = 0) -> Lead:
        """Records that a lead is worth an opportunity."""
        return self._while_living(lead_id, lambda each: each.qualify(note), revision)

    def disqualify(self, lead_id: str, reason: DisqualifyReason, note: str, *, revision: int = 0) -> Lead:
        """Gives a lead up."""
        now = identity.now()
        return self._while_living(lead_id, lambda each: each.disqualify(reason, note, now), revision)

    def recycle(self, lead_id: str, until: datetime, note: str, *, revision: int = 0) -> Lead:
        """Lays a lead aside until a date."""
        now = identity.now()
        return self._while_living(lead_id, lambda each: each.recycle(until, note, now), revision)

    # ------------------------------------------------------------------------------------------------------ clock

    def revive(self, due: Sequence[Lead]) -> None:
        """Brings leads back whose date has come. Their state decides, so however often it is called."""
        now = identity.now()
        self._store.leads.update_many(((each.id, None) for each in due), lambda each, _: each.revive(now))

    def breach(self, due: Sequence[Lead]) -> None:
        """Notes that nobody tried to reach leads in time."""
        now = identity.now()
        self._store.leads.update_many(((each.id, None) for each in due), lambda each, _: each.breach(now))

    # ---------------------------------------------------------------------------------------------------- touches

    def touch(self, draft: Touch) -> Touch:
        """Records a touch of a lead or a deal, once for its source key."""
        self._store.require_subject(draft.subject_id)
        [outcome] = self._store.database.transact(lambda: self._touch([draft]))
        if outcome.error is not None:
            raise outcome.error
        return self._store.touches.get(self._store.touches.id_of(_touch_key(draft)))

    def follow(self, heard: Sequence[Touch]) -> None:
        """Takes touches in that interactions told of. What is known or about nothing known here changes nothing."""
        known = self._store.known({each.subject_id for each in heard})
        self._touch([each for each in heard if each.subject_id in known])

    def touches(self, subject_id: str, request: PageRequest) -> Page[Touch]:
        """A page of the touches of a lead, or of a deal and the lead that it came from."""
        self._store.require_subject(subject_id)
        return self._store.list_touches([subject_id, *self._store.converted_into(subject_id)], request)

    def _touch(self, touches: Sequence[Touch]) -> Sequence[Outcome[Touch]]:
        """Outcome of each touch. Those that are new move engagement and clock."""
        told = [each.record() for each in touches]
        outcomes = self._store.touches.insert_many([(each, []) for each in told], keys=[*map(_touch_key, told)])
        new = [each for each, outcome in zip(told, outcomes, strict=True) if outcome.created]
        blank = self._store.blank_engagement
        self._store.engagements.upsert_many(((blank(each.subject_id), each) for each in new), Engagement.add)
        now = identity.now()
        tried = sorted(filter(_is_try, new), key=_time, reverse=True)
        tries = {each.subject_id: min(each.time, now) for each in tried}  # the earliest is the last and stays
        leads = self._store.leads_of(tries)
        attempts = {each.id: (tries[each.id], self._spent(each, tries[each.id])) for each in leads}
        self._store.leads.update_many(attempts.items(), lambda each, attempt: each.contact(*attempt))
        return outcomes

    # ----------------------------------------------------------------------------------------------------- scores

    def score(self, lead_id: str) -> LeadScore:
        """How promising a lead is now, and why."""
        lead, now = self._store.leads.get(lead_id), identity.now()
        engaged = self._store.engagement_of(lead_id)
        told = LeadScore(
            lead_id=lead_id,
            engagement=engaged.at(now),
            touch_time=engaged.touch_time,
            touches=engaged.touches,
            as_of_time=now,
        )
        model = self._store.model_of(lead.form_id) if lead.form_id else None
        if model is None:
            return told
        found = fit(model.model, values_of(lead.attributes))
        return replace(
            told,
            model_version=model.version,
            fit=found.score,
            probability_basis_points=basis_points(found.probability),
            factors=tuple(
                LeadFactor(attribute=each.attribute, value=shown(each.value), weight=each.weight)
                for each in found.factors
            ),
        )

    def model(self, form_id: str) -> LeadModel:
        """The latest model of a form. NotFound before anything was learned."""
        self._store.forms.get(form_id)
        found = self._store.model_of(form_id)
        if found is None:
            raise NotFound(LeadModel, form_id)
        return found

    def learn(self, job: Job[FormTask, FormTaskState]) -> LeadModel:
        """Learns from the closed leads of a form, and judges its open ones anew. Once, whoever is killed on the way."""
        form_id, version = job.request.lead_form_id, job.state.version
        attributes = self._store.forms.get(form_id).inputs(job.request.attributes)
        if not version:
            known = self._store.model_of(form_id)
            version = (known.version if known is not None else 0) + 1
            job.progress(0, 0, FormTaskState(version=version))
        model = self._store.models.find_by_id(self._store.models.id_of(f"{form_id}:{version}"))
        if model is None:
            found = islice(chain.from_iterable(self._store.closed(form_id)), LEARNED_MAX)
            closed = [_closed(each) for each in found if not each.erased]
            model = self._store.models.insert(
                lambda id: LeadModel.learn(id, form_id, version, attributes, closed), key=f"{form_id}:{version}"
            )
        judged = 0
        for batch in self._store.open(form_id):
            self.judge(batch, model)
            judged += len(batch)
            job.progress(judged, 0, FormTaskState(version=version))
        return model

    def judge(self, leads: Sequence[Lead], model: LeadModel) -> None:
        """Gives leads the chances that a model sees in them."""
        points = [(each.id, points_of(each, model)) for each in leads if not each.erased]
        self._store.leads.update_many(points, Lead.score)

    def report(self, job: Job[FormTask, FormTaskState]) -> LeadReport:
        """Counts the leads of a form, in all states, by the values of categories."""
        form_id = job.request.lead_form_id
        categories = self._store.forms.get(form_id).categories(job.request.attributes)
        counts: Counter[tuple[str, str, bool]] = Counter()
        seen = 0
        for batch in self._store.of_form(form_id, tuple(LeadState)):
            seen += len(batch)
            counts += tally(batch, categories)
            job.progress(seen, 0, job.state)
        return LeadReport.of(form_id, counts)

    # ------------------------------------------------------------------------------------------------------ steps

    def _check(self, lead: Lead) -> None:
        _check(lead, self._store.forms.get(lead.form_id) if lead.form_id else None)

    def _spent(self, lead: Lead, at: datetime) -> timedelta | None:
        """Working time from when a lead came in to an attempt."""
        clock = lead.response
        begun = clock.start_time if clock is not None else lead.begin_time
        if begun is None:
            return None
        hours = hours_in(self._store.calendars, clock.calendar_id if clock is not None else "")
        return max(hours.elapsed(begun, at), timedelta(0))

    def _while_living(self, lead_id: str, change: Callable[[Lead], Change[Lead]], revision: int) -> Lead:
        """Changes a lead, and withdraws the words when its customer is erased meanwhile."""
        customer_id = self._store.leads.get(lead_id).customer_id
        return self._store.customers.while_living(
            {customer_id},
            lambda: self._store.leads.update(lead_id, change, revision=revision),
            lambda written: self.withdraw([written.id]),
        )

    def withdraw(self, ids: Sequence[str]) -> None:
        """Takes the words out of leads."""
        self._store.leads.erase(ids)
        self._store.leads.update_many(((id, None) for id in ids), lambda each, _: each.erase())


def points_of(lead: Lead, model: LeadModel) -> int:
    """The chance that a model sees in a lead, in basis points."""
    return basis_points(fit(model.model, values_of(lead.attributes)).probability)


def _closed(lead: Lead) -> ClosedLead:
    return ClosedLead(id=lead.id, attributes=values_of(lead.attributes), converted=lead.state is LeadState.CONVERTED)


def _check(lead: Lead, form: LeadForm | None) -> None:
    """Refuses attributes that its form does not ask for. Without a form there are none."""
    if form is None and lead.form_id:
        raise NotFound(LeadForm, lead.form_id)
    if form is not None:
        form.check(lead.attributes)
    elif lead.attributes:
        raise AttributeUnknown(attribute=lead.attributes[0].key, known=[])


def _form(row: PastLead | DomainError) -> str:
    return row.lead.form_id if isinstance(row, PastLead) else ""


def _sensed(draft: Lead, id: str) -> Change[Lead]:
    return replace(draft, id=id).sense()


def _key(lead: Lead) -> str:
    return f"{lead.source}:{lead.source_key}"


def _touch_key(touch: Touch) -> str:
    return f"{touch.subject_id}:{touch.source_key}"


def _time(touch: Touch) -> datetime:
    return touch.time


def _is_try(touch: Touch) -> bool:
    return touch.kind is TouchKind.ATTEMPT
