"""Laws over every timer of every service: one item holds up nobody, and two runners do each thing once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from kehu.common.v1.envelope_pb2 import Envelope
from kehu.profiles.v1.events_pb2 import CustomerErasureRequested

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import FailedPrecondition
from libs.chassis.inbox import event_type
from libs.chassis.store import Contention
from libs.chassis.timers import Timer
from libs.engine.deferrals import COLLECTION, Deferrals
from libs.engine.inbox.decoding import received
from libs.engine.sealing import KeyringError
from libs.engine.store.memory import MemoryCollection, MemoryDatabase
from libs.engine.timers import Round
from libs.suite import composition
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.care.customers.domain.projection import Channel
from services.care.customers.domain.projection import CustomerProjection as CareCustomer
from services.care.programs.application import Programs
from services.care.programs.domain.contents import Purpose
from services.care.programs.domain.plans import Form, Plan
from services.care.programs.domain.programs import Phase, Program
from services.care.programs.domain.triggers import Recurrence
from services.care.touches.application.planning import Planning
from services.care.touches.domain.enrollments import Enrollment
from services.care.touches.domain.planning import Planner
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseType
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.complaints.domain.complaints import Complaint, ComplaintReceived, ComplaintState
from services.interactions.customers.domain import CustomerProjection, customer_key
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.quality.domain.resolutions import Resolution
from services.interactions.remedies.application import Remedies
from services.interactions.remedies.domain import authority
from services.interactions.remedies.domain.goodwill import Goodwill, RemedyAction
from services.interactions.routing.application.people import People
from services.interactions.routing.application.queues import Queues
from services.interactions.routing.application.works import Works
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.work import WorkItem
from services.interactions.sla.domain import Refolding
from services.opportunities.assignment.application import AssignmentRules
from services.opportunities.assignment.domain import Agent, AssignmentRule
from services.opportunities.deals.application import Deals
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.forecast.application.snapshots import Snapshots
from services.opportunities.leads.application import Leads
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.parts import Assignment, ResponseClock
from services.opportunities.pipelines.application import Pipelines
from services.opportunities.pipelines.domain import CERTAIN, ForecastCategory, Pipeline, Stage, StageKind
from services.profiles.activity.domain.transactions import Money
from services.profiles.consent.application import Consents
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.customers import KEPT_AFTER_DELETION
from services.profiles.privacy.application.erasures import Erasures as ProfileErasures
from services.profiles.privacy.domain.erasures import ErasureReceipt
from services.profiles.schedules.application import Schedules
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.worth.domain.concentration import Tier
from services.profiles.worth.domain.tiers import TierEvidence, TierOverride, first_assignment
from services.surveys.collection.application.responses import Collection
from services.surveys.collection.domain.sheets import ItemAnswer, Sheet
from services.surveys.questionnaires.application import Surveys
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import Item, ItemType
from services.surveys.questionnaires.domain.surveys import DesignMethod, Questionnaire, Survey, SurveyKind
from services.surveys.sampling.application import Invitations
from services.surveys.sampling.domain.invitations import Invitation
from tests.support.contracts import SERVICES
from tests.unit.care import due
from tests.unit.profiles.builders import person

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
TENANTS = ("acme", "bolt", "crux")
ERRORS = (
    OverflowError("date value out of range"),
    msgspec.ValidationError("Invalid value"),
    KeyringError("a page is missing"),
    FailedPrecondition("is closed"),
    KeyError("kind"),
    OSError("too many processes"),
    Contention("customers"),
    RecursionError(),
)


def moves_with_time(store: Any) -> None:
    customer = Customers(store.customers).create(person())
    Segments(store.segments).define(Segment(id="", key="old", filter="days_since_create >= 1"), 0, validate_only=False)
    Segments(store.segments).follow([customer.id], Source.CUSTOMER)


def defines_a_segment(store: Any) -> None:
    Segments(store.segments).define(Segment(id="", key="people", filter="kind = PERSON"), 0, validate_only=False)


def overrides_a_tier(store: Any) -> None:
    id, money = identity.new_id("cus"), Money(currency_code="EUR", minor_units=1)
    evidence = TierEvidence(
        evaluation_id="tev_1", policy_id="tpol_1", contribution=money, measured_tier=Tier.A, as_of_time=NOW
    )
    assigned, _ = first_assignment(id, Tier.A, evidence, NOW)
    override = TierOverride(tier=Tier.B, actor="ada", expire_time=NOW + timedelta(days=1))
    overridden, told = replace(assigned, tier=Tier.B)._told(replace(assigned, tier=Tier.B, override=override))
    store.worth.assignments.insert((overridden, told), key=id)


def plans(store: Any) -> None:
    Schedules(store.schedules).plan("evaluate_lifecycles", b"", 1)


def asks_for_an_erasure(store: Any) -> None:
    customer = Customers(store.customers).create(person())
    begun = ProfileErasures(store.privacy).request(customer.id, "letter", validate_only=False)
    answers = [ErasureReceipt(service=each, erase_time=NOW) for each in begun.awaited_services]
    ProfileErasures(store.privacy).take_answers([(begun.id, each) for each in answers])


def deletes(store: Any) -> None:
    with identity.clock(identity.FixedClock(NOW - KEPT_AFTER_DELETION + timedelta(days=1))):
        customer = Customers(store.customers).create(person())
        Customers(store.customers).delete(customer.id, 0)


def promises(store: Any) -> None:
    id = identity.new_id("cus")
    known = CustomerProjection(id=id, source_revision=1, source_time=NOW, identifiers=(customer_key(id),))
    store.customers.customers.insert((known, []))
    term = Term(civil_time=CivilTime(date=NOW.date() + timedelta(days=1), time_zone="UTC"))
    Promises(store.promises).make(Promise(id="", customer_id=id, text="x", term=term))


def owes_attributions(store: Any) -> None:
    id = identity.new_id("cus")
    known = CustomerProjection(id=id, source_revision=1, source_time=NOW, identifiers=(customer_key(id),))
    store.customers.customers.upsert_many([(known, NOW)], CustomerProjection.owe)


def hears_of_an_erasure(store: Any) -> None:
    asked = CustomerErasureRequested(erasure_id=identity.new_id("era"), customer_id=identity.new_id("cus"))
    envelope = Envelope(id="x", type=event_type(CustomerErasureRequested), entity_id=asked.customer_id, revision=1)
    store.privacy.erasures.begin([received(envelope, asked)])


def resolves_a_case(store: Any) -> None:
    cases = Cases(store.cases)
    made = cases.create(Case(id="", subject="No invoice", type=CaseType.REQUEST), owner="ada")
    cases.set_terms(CaseTerms(id="", grace=timedelta(days=1)))
    cases.start(made.id)
    cases.resolve(made.id, "typing error", "We sent it again.")


def waits_for_an_approval(store: Any) -> None:
    case = Cases(store.cases).create(Case(id="", subject="No invoice", type=CaseType.REQUEST), owner="ada")
    limits = authority.AuthorityMatrix(
        id="",
        limits=(
            authority.AuthorityLimit(
                role="lead",
                action=RemedyAction.REFUND,
                currency_code="EUR",
                per_case=9,
                per_day=9,
                per_customer_year=9,
            ),
        ),
        approvers=(authority.Agent(id="bob", role="lead"),),
    )
    remedies = Remedies(store.remedies)
    remedies.set_authority(limits)
    remedies.ask(Goodwill(id="", case_id=case.id, action=RemedyAction.REFUND, currency_code="EUR", amount=5))


def complains_and_is_quiet(store: Any) -> None:
    cases = Cases(store.cases)
    cases.set_terms(CaseTerms(id="", grace=timedelta(days=1)))
    case = cases.create(Case(id="", subject="Rude", type=CaseType.COMPLAINT), owner="ada")
    complaint, _ = Complaint.receive("cmp_1", case_id=case.id, customer_id="", complained_of="Rude", now=NOW)
    answered = replace(complaint, id=identity.new_id("cmp"), state=ComplaintState.REMEDY_PROPOSED, decision="Sorry.")
    store.complaints.complaints.insert((answered.timed(timedelta(days=1)), [ComplaintReceived(complaint=answered)]))


def plans_to_count_anew(store: Any) -> None:
    store.sla.refoldings.insert((Refolding(id="", policy_id=identity.new_id("sla"), due_time=NOW), []), key="plan")


def sweeps_customers(store: Any) -> None:
    Planning(store.touches).begin_sweep([at_work(store).id])


def plans_a_touch(store: Any) -> None:
    program, id = at_work(store), identity.new_id("cus")
    known = CareCustomer(id=id, source_revision=1, source_time=NOW)
    store.customers.collection.insert((known, []))
    enrolled = Enrollment(id="", program_id=program.id, customer_id=id).look(NOW + timedelta(days=1), anew=False)
    store.touches.enrollments.insert(enrolled, key=f"{program.id}:{id}")


def has_a_touch(channel: Channel) -> Callable[[Any], None]:
    def make(store: Any) -> None:
        program, id = at_work(store), identity.new_id("cus")
        plan = replace(program.plans[0], channel=channel)
        known = CareCustomer(id=id, source_revision=1, source_time=NOW)
        store.customers.collection.insert((known, []))
        store.customers.hear_consent(NOW + timedelta(days=2))
        planner = Planner(program=program, plan=plan, customer=known)
        touch = replace(planner.at(NOW + timedelta(days=1), "x"), channel=channel, expire_time=NOW + timedelta(days=9))
        store.touches.touches.insert(touch.plan(), key="x")

    return make


def at_work(store: Any) -> Program:
    recurrence = Recurrence(rule="FREQ=DAILY", start_date=NOW.date())
    plan = Plan(recurrence=recurrence, minute=600, form=Form.CALL, assignee="ada")
    draft = Program(
        id="", display_name="Calls", purpose=Purpose.CARE, phase=Phase.AFTER_SALE, time_zone="UTC", plans=(plan,)
    )
    made = Programs(store.programs).create(draft)
    store.programs.programs.update(made.id, Program.review)
    return Programs(store.programs).activate(made.id)


def pulses(store: Any) -> None:
    Consents(store.consent).begin_pulse()


def believes_in_a_deal(store: Any) -> None:
    deals = Deals(store.deals)
    stages = (
        Stage(key="offer", display_name="Offer"),
        Stage(
            key="won",
            display_name="Won",
            kind=StageKind.WON,
            category=ForecastCategory.CLOSED,
            probability_basis_points=CERTAIN,
        ),
        Stage(key="lost", display_name="Lost", kind=StageKind.LOST, category=ForecastCategory.OMITTED),
    )
    pipeline = Pipelines(store.pipelines).create(
        Pipeline(id="", display_name="Direct", currency_code="EUR", stages=stages)
    )
    deal = deals.create(Deal(id="", customer_id="", display_name="Chairs", pipeline_id=pipeline.id))
    deals.believe(deal.id, 9_000, "they nodded", NOW + timedelta(days=1))


def lays_a_lead_aside(store: Any) -> None:
    leads = Leads(store.leads)
    lead = leads.capture(Lead(id="", source="web", source_key="1", owner="ann"))
    leads.recycle(lead.id, NOW + timedelta(days=1), "later")


def awaits_an_answer_to_a_lead(store: Any) -> None:
    lead = Leads(store.leads).capture(Lead(id="", source="web", source_key="1"))
    clock = ResponseClock(start_time=NOW, target=timedelta(hours=1), due_time=NOW + timedelta(hours=1))
    store.leads.leads.update(lead.id, lambda each: each.assign("ann", Assignment(decide_time=NOW), clock))


def captures_a_lead(store: Any) -> None:
    rule = AssignmentRule(id="", display_name="All", agents=(Agent(member="ann"),))
    AssignmentRules(store.assignment).create(rule)
    Leads(store.leads).capture(Lead(id="", source="web", source_key="1"))


def floor_of(store: Any) -> tuple[Any, Any]:
    """A queue with one piece of work that waits, and an agent."""
    queue = Queues(store.routing).create(WorkQueue(id="", display_name="Hotline"))
    agent = People(store.routing).register(QueueAgent(id="", principal="ada", queue_ids=(queue.id,)))
    return Works(store.routing).enqueue(WorkItem(id="", queue_id=queue.id)), agent


def vanishes(store: Any) -> None:
    _, agent = floor_of(store)
    Works(store.routing).appear(agent.id, Presence.AVAILABLE)


def lets_an_offer_pass(store: Any) -> None:
    vanishes(store)
    Works(store.routing).dispatch()


def waits_for_an_agent(store: Any) -> None:
    _, agent = floor_of(store)
    with identity.clock(identity.FixedClock(NOW + timedelta(days=2))):  # one who is there when the timer looks
        Works(store.routing).appear(agent.id, Presence.AVAILABLE)


def settles_something(store: Any) -> None:
    settled = Resolution(
        id="",
        customer_id=identity.new_id("cus"),
        queue_id="",
        agent_id="",
        channel="",
        topic="billing",
        cause="",
        close_time=NOW - timedelta(days=6),
    )
    store.quality.resolutions.insert(settled.settle(), key=settled.customer_id)


def has_a_night(store: Any) -> None:
    Snapshots(store.forecast).expect(["UTC"])


def _launched(store: Any) -> str:
    item = Item(key="nps", type=ItemType.NPS_0_10, texts={"en": "Recommend?"})
    survey = Survey(
        id="",
        display_name="Calls",
        kind=SurveyKind.NPS,
        questionnaire=Questionnaire(languages=("en",), items=(item,)),
        design=DesignMethod.CENSUS,
        owner="ada",
        idle_limit=timedelta(days=1),
    )
    surveys = Surveys(store.questionnaires)
    return surveys.launch(surveys.create(survey).id).id


def invites(store: Any) -> None:
    until = NOW + timedelta(days=1)
    given = Invitation(id="", survey_id=_launched(store), customer_id=identity.new_id("cus"), expire_time=until)
    Invitations(store.sampling).invite(given)


def begins_a_sheet(store: Any) -> None:
    collection = Collection(store.collection)
    begun = collection.interview(Sheet(id="", survey_id=_launched(store)))
    collection.save(begun.sheet.id, [ItemAnswer(item="nps", answer=Answer(number=3), sequence=1)])


DUE: Mapping[tuple[str, str], Callable[[Any], object]] = {
    ("profiles", "segments"): moves_with_time,
    ("profiles", "segment_evaluations"): defines_a_segment,
    ("profiles", "tier_overrides"): overrides_a_tier,
    ("profiles", "schedules"): plans,
    ("profiles", "erasures"): asks_for_an_erasure,
    ("profiles", "purges"): deletes,
    ("interactions", "promises"): promises,
    ("interactions", "cases"): resolves_a_case,
    ("interactions", "goodwill"): waits_for_an_approval,
    ("interactions", "complaints"): complains_and_is_quiet,
    ("interactions", "refoldings"): plans_to_count_anew,
    ("interactions", "first_contacts"): settles_something,
    ("interactions", "presences"): vanishes,
    ("interactions", "offers"): lets_an_offer_pass,
    ("interactions", "routing"): waits_for_an_agent,
    ("interactions", "erasures"): hears_of_an_erasure,
    ("opportunities", "probabilities"): believes_in_a_deal,
    ("opportunities", "recycled_leads"): lays_a_lead_aside,
    ("opportunities", "responses"): awaits_an_answer_to_a_lead,
    ("opportunities", "triage"): captures_a_lead,
    ("opportunities", "erasures"): hears_of_an_erasure,
    ("opportunities", "nights"): has_a_night,
    ("surveys", "invitations"): invites,
    ("surveys", "sheets"): begins_a_sheet,
    ("surveys", "erasures"): hears_of_an_erasure,
    ("care", "erasures"): hears_of_an_erasure,
    ("care", "sweeps"): sweeps_customers,
    ("care", "planning"): plans_a_touch,
    ("care", "touches_email"): has_a_touch(Channel.EMAIL),
    ("care", "touches_sms"): has_a_touch(Channel.SMS),
    ("care", "touches_messenger"): has_a_touch(Channel.MESSENGER),
    ("care", "tasks"): has_a_touch(Channel.VOICE),
    ("care", "looks"): due.meets,
    ("care", "escalations"): due.leaves_an_alert,
    ("care", "consent"): due.hears_no_consent,
    ("care", "plays"): due.plays_a_step,
    ("care", "win_backs"): due.is_offered_something,
    ("care", "loyalty_reviews"): due.reviews_months,
    ("care", "reviews"): due.forgets_a_review,
    ("profiles", "pulses"): pulses,
    ("interactions", "backlogs"): owes_attributions,
}
"""(service, timer) → makes one thing that is due for it two days later, in the tenant of the context."""


def with_timers() -> Iterator[tuple[str, str]]:
    for service in SERVICES:
        declared = composition(service)
        yield from ((service, each.name) for each in declared.timers(declared.store(MemoryDatabase(service))))


def test_the_laws_know_every_timer() -> None:
    assert set(with_timers()) == DUE.keys()


class Scene:
    """One timer with one thing due in each of three tenants."""

    def __init__(self, service: str, name: str, clock: identity.FixedClock) -> None:
        declared = composition(service)
        self.clock = clock
        self.database = MemoryDatabase(service)
        store = declared.store(self.database)
        [self.timer] = [each for each in declared.timers(store) if each.name == name]
        for tenant in TENANTS:
            with context.enter(Context(tenant=tenant, actor="ada", scopes=frozenset({"*"}))):
                DUE[service, name](store)
        clock.advance(timedelta(days=2))

    def run(self, timer: Timer[Any]) -> int:
        return Round(self.database, timer).run()

    def deferred(self) -> list[str]:
        return [tenant for tenant, each in Deferrals(self.database).of(self.timer.name) if each.failures]

    def stored(self) -> Any:
        kept = {name: c for name, c in self.database.collections.items() if isinstance(c, MemoryCollection)}
        return {name: copy.deepcopy(c.documents) for name, c in kept.items() if name != COLLECTION}


@pytest.fixture
def clock() -> Iterator[identity.FixedClock]:
    clock = identity.FixedClock(NOW)
    with identity.clock(clock):
        yield clock


@pytest.fixture(params=[pytest.param(each, id=".".join(each)) for each in DUE])
def scene(request: pytest.FixtureRequest, clock: identity.FixedClock) -> Scene:
    return Scene(*request.param, clock)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_of_three_tenants_the_one_in_the_middle_fails_and_the_others_are_done(scene: Scene, error: Exception) -> None:
    def run(due: Sequence[Any]) -> object:
        if context.current().tenant == "bolt":
            raise error
        return scene.timer.run(due)

    assert len(scene.timer.due.find(identity.now())) == 3
    assert scene.run(replace(scene.timer, run=run)) == 2
    assert scene.deferred() == ["bolt"]
    scene.clock.advance(timedelta(seconds=2))
    assert scene.run(scene.timer) >= 1
    assert scene.deferred() == []


def test_an_item_that_cannot_be_read_holds_up_nobody(scene: Scene) -> None:
    [broken] = [each for each in scene.timer.due.find(identity.now()) if each.tenant == "bolt"]
    collection = scene.timer.due.collection
    assert isinstance(collection, MemoryCollection)
    collection.documents[broken.id]["update_time"] = "yesterday"
    assert scene.run(scene.timer) == 2
    assert scene.deferred() == ["bolt"]


class Stale:
    """What somebody read before another one worked on it."""

    def __init__(self, found: Any, limit: int) -> None:
        self._found, self.limit = found, limit

    def find(self, *_: Any, **__: Any) -> Any:
        return self._found


def test_a_second_runner_with_the_same_list_changes_nothing(scene: Scene) -> None:
    found = scene.timer.due.find(identity.now())
    late: Timer[Any] = replace(scene.timer, due=Stale(found, scene.timer.due.limit))  # type: ignore[arg-type]
    assert scene.run(scene.timer) == 3
    after, events = scene.stored(), len(scene.database.events())
    scene.run(late)
    assert scene.deferred() == []
    assert len(scene.database.events()) == events
    if scene.timer.name != "segments":  # it notes that it looked
        assert scene.stored() == after


def test_a_certificate_of_erasure_tells_the_same_whoever_finishes_it_and_after_whatever_crash(
    clock: identity.FixedClock,
) -> None:
    destroyed = []
    for crash in (False, True):
        clock.at = NOW
        scene = Scene("profiles", "erasures", clock)
        found = scene.timer.due.find(identity.now())
        late: Timer[Any] = replace(scene.timer, due=Stale(found, 20))  # type: ignore[arg-type]
        if crash:
            for tenant in TENANTS:
                with context.enter(Context(tenant=tenant, actor="x")):
                    customers = scene.database.collections["customers"]
                    assert isinstance(customers, MemoryCollection)
                    customers.erase([id for id, each in customers.documents.items() if each["tenant"] == tenant])
        scene.run(scene.timer)
        certificates = [each["certificate"] for each in scene.stored()["erasures"].values()]
        clock.advance(timedelta(seconds=12))
        scene.run(late)
        assert [each["certificate"] for each in scene.stored()["erasures"].values()] == certificates
        assert sum(each.type.endswith("customer.erased.v1") for each in scene.database.events()) == 3
        receipts = [each["receipts"] for each in scene.stored()["erasures"].values()]
        destroyed.append([own["destroyed_keys"] for each in receipts for own in each if own["service"] == "profiles"])
    assert destroyed[0] == destroyed[1]
    assert all(count >= 1 for count in destroyed[0])
