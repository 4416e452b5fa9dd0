"""Conversion of leads beside the real profiles service: killed at every step, twice at once, undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from kehu.common.v1.operation_pb2 import Operation
from kehu.opportunities.v1 import conversion_pb2 as pb
from kehu.opportunities.v1 import deals_pb2, leads_pb2, pipelines_pb2
from kehu.profiles.v1 import customers_pb2, duplicates_pb2
from kehu.profiles.v1.customer_pb2 import Customer

from libs.chassis import identity
from libs.chassis.domain import DomainError
from libs.chassis.testing import MemoryJob, World
from libs.client.values import fill
from libs.engine.rpc.errors import Unavailable
from services.opportunities.conversion.application import Conversions, FinishState
from services.opportunities.leads.domain.conversions import Conversion, ConversionStep
from services.opportunities.leads.domain.leads import CARE, Lead
from services.opportunities.leads.domain.parts import LeadPoint, LeadPointType, LeadState
from services.profiles.__main__ import SERVICE as PROFILES
from services.profiles.store import ProfilesStore
from tests.unit.opportunities.conftest import NOW, SCOPES, Sales

EVERYTHING = {"profiles.*"}
LEAD = Lead(
    id="",
    source="web",
    source_key="1",
    owner="ann",
    display_name="Ada Lovelace",
    contact_points=(LeadPoint(type=LeadPointType.EMAIL, value="ada@example.com"),),
    needs=("an engine",),
)


class Killed(BaseException):
    """The process is gone."""


class Beside:
    """The profiles service in the same process, as a peer that answers, is away, or sees the caller die."""

    def __init__(self, world: World[ProfilesStore]) -> None:
        self.world, self.made = world, list[str]()
        self.away = False
        self.dies_after: str = ""
        self.dies_before: str = ""

    def _call(self, name: str, request: Any, answers: Any, given: dict[str, Any]) -> Any:
        if self.away:
            raise Unavailable("profiles does not answer")
        if self.dies_before == name:
            raise Killed
        with identity.clock(self.world.clock):
            answer = self.world.call(fill(request, given), answers, scopes=EVERYTHING)
        self.world.deliver()
        if self.dies_after == name:
            raise Killed
        return answer

    def find_duplicates(self, **given: Any) -> Any:
        request, answers = duplicates_pb2.FindDuplicatesRequest(), duplicates_pb2.FindDuplicatesResponse
        return self._call("find", request, answers, given)

    def lookup_customer(self, **given: Any) -> Sequence[Customer]:
        request, answers = customers_pb2.LookupCustomerRequest(), customers_pb2.LookupCustomerResponse
        return list(self._call("lookup", request, answers, given).customers)

    def create_customer(self, **given: Any) -> Customer:
        made: Customer = self._call("create", customers_pb2.CreateCustomerRequest(), Customer, given)
        self.made.append(made.id)
        return made

    def customers(self) -> Sequence[Customer]:
        request = customers_pb2.ListCustomersRequest()
        answer = self.world.call(request, customers_pb2.ListCustomersResponse, scopes=EVERYTHING)
        return list(answer.customers)


@dataclass(frozen=True)
class Scene:
    """A lead to be converted, beside an empty profiles service in the same tenant and for the same caller."""

    world: Sales
    peer: Beside
    conversions: Conversions
    lead: Lead
    wanted: Conversion


@pytest.fixture
def scene(world: Sales, pipeline: pipelines_pb2.Pipeline) -> Scene:
    peer = Beside(World[ProfilesStore](PROFILES, at=NOW, scopes=EVERYTHING))
    return Scene(
        world=world,
        peer=peer,
        conversions=Conversions(world.store.conversion, lambda: peer),
        lead=world.store.leads.leads.insert(LEAD.capture(), key="web:1"),
        wanted=Conversion(pipeline_id=pipeline.id, deal_name="An engine"),
    )


def deals(world: Sales) -> Sequence[Any]:
    return world.store.deals.deals.find(None, order="-open_time", limit=10)


def whole(world: Sales, peer: Beside, lead_id: str) -> None:
    """One customer, one deal, all links."""
    lead = world.store.leads.leads.get(lead_id)
    [customer], [deal] = peer.customers(), deals(world)
    assert (lead.state, lead.customer_id) == (LeadState.CONVERTED, customer.id)
    assert lead.conversion is not None
    assert (lead.conversion.step, lead.conversion.deal_id) == (ConversionStep.DONE, deal.id)
    assert (deal.customer_id, deal.owner, deal.needs) == (customer.id, "ann", ("an engine",))
    assert [(each.contact_id, each.role) for each in deal.contacts] == [(customer.id, "contact")]
    assert world.store.leads.converted_into(deal.id) == [lead_id]
    assert [each.number for each in world.store.deals.changes_of(deal)] == [1]
    assert [(each.system, each.id) for each in customer.external_ids] == [("kehu-lead", lead_id)]


def test_a_lead_becomes_a_deal_of_its_customer(scene: Scene) -> None:
    touch = leads_pb2.Touch(subject_id=scene.lead.id, kind="TOUCH_KIND_RESPONSE", source_key="a", time=NOW)
    scene.world.call(leads_pb2.RecordTouchRequest(touch=touch), leads_pb2.Touch)
    converted = scene.conversions.convert(scene.lead.id, scene.wanted)
    whole(scene.world, scene.peer, scene.lead.id)
    assert converted.conversion is not None
    request = leads_pb2.ListTouchesRequest(subject_id=converted.conversion.deal_id)
    [linked] = scene.world.call(request, leads_pb2.ListTouchesResponse).touches
    assert linked.subject_id == scene.lead.id, "linked, not copied"
    again = scene.conversions.convert(scene.lead.id, scene.wanted)
    assert again.revision == converted.revision
    assert "lead.converted" in scene.world.events()


@pytest.mark.parametrize(
    ("moment", "name"), [("before", "find"), ("after", "find"), ("before", "lookup"), ("after", "lookup"),
                         ("before", "create"), ("after", "create")]
)  # fmt: skip
def test_killed_around_a_call_it_goes_on(scene: Scene, moment: str, name: str) -> None:
    """T-38: killed after the customer was made, too, the repeat completes with one customer."""
    setattr(scene.peer, f"dies_{moment}", name)
    with pytest.raises(Killed):
        scene.conversions.convert(scene.lead.id, scene.wanted)
    setattr(scene.peer, f"dies_{moment}", "")
    assert deals(scene.world) == []
    scene.conversions.convert(scene.lead.id, scene.wanted)
    whole(scene.world, scene.peer, scene.lead.id)


@pytest.mark.parametrize("write", range(1, 6))
def test_killed_at_each_of_its_writes_it_goes_on(scene: Scene, write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change of the store is one of the steps: what stands behind the one that was the last is missing."""
    count = iter(range(1, 100))
    for collection in (scene.world.store.leads.leads, scene.world.store.deals.deals, scene.world.store.deals.changes):
        for verb in ("update", "insert", "insert_many"):
            done = getattr(collection, verb)

            def dying(*given: Any, done: Any = done, **named: Any) -> Any:
                result = done(*given, **named)
                if next(count) == write:
                    raise Killed
                return result

            monkeypatch.setattr(collection, verb, dying)
    with pytest.raises(Killed):
        scene.conversions.convert(scene.lead.id, scene.wanted)
    monkeypatch.undo()
    stopped = scene.world.store.leads.leads.get(scene.lead.id)
    assert stopped.state is LeadState.ASSIGNED
    scene.world.clock.advance(timedelta(minutes=2))
    done = scene.conversions.finish(MemoryJob(state=FinishState()))
    assert (done.finished, done.refused) == (1, 0)
    whole(scene.world, scene.peer, scene.lead.id)


def test_while_profiles_is_away_nothing_is_half_done(scene: Scene) -> None:
    scene.peer.away = True
    with pytest.raises(Unavailable):
        scene.conversions.convert(scene.lead.id, scene.wanted)
    assert (deals(scene.world), scene.world.store.leads.leads.get(scene.lead.id).state) == ([], LeadState.ASSIGNED)
    scene.peer.away = False
    scene.conversions.convert(scene.lead.id, scene.wanted)
    whole(scene.world, scene.peer, scene.lead.id)


def test_customers_who_are_alike_are_offered_and_never_doubled(scene: Scene) -> None:
    there = {
        "kind": "KIND_PERSON",
        "display_name": "Ada Lovelace",
        "contact_points": [{"type": "TYPE_EMAIL", "raw": "ada@example.com"}],
    }
    known = scene.peer.create_customer(customer=there)
    with pytest.raises(DomainError) as refusal:
        scene.conversions.convert(scene.lead.id, scene.wanted)
    assert refusal.value.reason_code == "CUSTOMERS_ALIKE"
    assert refusal.value.metadata["customer_ids"] == known.id
    assert scene.world.store.leads.leads.get(scene.lead.id).conversion is None
    assert [each.customer_id for each in scene.conversions.preview(scene.lead.id)] == [known.id]
    chosen = Conversion(pipeline_id=scene.wanted.pipeline_id, customer_id=known.id)
    converted = scene.conversions.convert(scene.lead.id, chosen)
    assert (converted.customer_id, len(scene.peer.customers())) == (known.id, 1)


def test_another_one_is_made_when_somebody_says_so(scene: Scene) -> None:
    scene.peer.create_customer(
        customer={
            "kind": "KIND_PERSON",
            "display_name": "Ada Lovelace",
            "contact_points": [{"type": "TYPE_EMAIL", "raw": "ada@example.com"}],
        }
    )
    scene.conversions.convert(scene.lead.id, Conversion(pipeline_id=scene.wanted.pipeline_id, create_anyway=True))
    assert len(scene.peer.customers()) == 2


def test_a_conversion_that_was_begun_is_not_begun_otherwise(scene: Scene) -> None:
    scene.peer.dies_before = "create"
    with pytest.raises(Killed):
        scene.conversions.convert(scene.lead.id, scene.wanted)
    with pytest.raises(DomainError) as refusal:
        scene.conversions.convert(scene.lead.id, Conversion(pipeline_id=scene.wanted.pipeline_id, deal_name="Another"))
    assert (refusal.value.reason_code, refusal.value.metadata["differing"]) == ("CONVERSION_BEGUN", "deal_name")
    request = leads_pb2.DisqualifyLeadRequest(lead_id=scene.lead.id, reason="DISQUALIFY_REASON_SPAM")
    with pytest.raises(DomainError) as refusal:
        scene.world.call(request, leads_pb2.Lead)
    assert refusal.value.reason_code == "LEAD_MOVE_FORBIDDEN"


def test_an_undone_conversion_links_to_nothing_and_the_next_one_finds_its_customer(scene: Scene) -> None:
    scene.conversions.convert(scene.lead.id, scene.wanted)
    undone = scene.conversions.undo(scene.lead.id)
    assert (undone.state, undone.customer_id) == (LeadState.QUALIFIED, "")
    [deal] = deals(scene.world)
    assert (deal.state, scene.world.store.leads.converted_into(deal.id)) == ("LOST", [])
    assert scene.conversions.undo(scene.lead.id).revision == undone.revision
    again = scene.conversions.convert(scene.lead.id, scene.wanted)
    assert again.conversion is not None
    assert (again.conversion.number, len(scene.peer.customers()), len(deals(scene.world))) == (2, 1, 2)


def test_a_won_deal_keeps_its_conversion(scene: Scene) -> None:
    converted = scene.conversions.convert(scene.lead.id, scene.wanted)
    assert converted.conversion is not None
    scene.world.call(
        deals_pb2.WinDealRequest(deal_id=converted.conversion.deal_id, waive=True),
        deals_pb2.Deal,
        scopes=SCOPES | {"opportunities.criteria.waive"},
    )
    with pytest.raises(DomainError) as refusal:
        scene.conversions.undo(scene.lead.id)
    assert refusal.value.reason_code == "LEAD_MOVE_FORBIDDEN"


def test_the_same_command_converts_once_and_another_one_with_its_id_is_refused(scene: Scene) -> None:
    id = str(uuid4())
    for _ in range(2):
        with scene.world.acting(request_id=id, of=b"convert"):
            scene.conversions.convert(scene.lead.id, scene.wanted)
    whole(scene.world, scene.peer, scene.lead.id)
    with scene.world.acting(request_id=id, of=b"another"), pytest.raises(DomainError) as refusal:
        scene.conversions.convert(scene.lead.id, scene.wanted)
    assert refusal.value.reason_code == "REQUEST_ID_REUSED"


def test_finishing_is_an_operation(world: Sales) -> None:
    scopes = {"opportunities.leads.convert"}
    assert world.call(pb.FinishConversionsRequest(), Operation, scopes=scopes).kind == "finish_conversions"


def test_a_lead_that_care_told_of_is_already_of_its_customer(scene: Scene) -> None:
    customer = identity.new_id("cus")
    draft = Lead(id="", source=CARE, source_key="tch_1:3", customer_id=customer, needs=("oil",))
    scene.world.store.leads.leads.insert(draft.sense(), key="care:tch_1:3")
    [lead] = [each for each in scene.world.store.leads.leads.find(None, limit=9) if each.source == CARE]
    converted = scene.conversions.convert(lead.id, scene.wanted)
    assert (converted.state, converted.customer_id, scene.peer.made) == (LeadState.CONVERTED, customer, [])
    assert [each.customer_id for each in deals(scene.world)] == [customer]
    assert scene.conversions.undo(lead.id).customer_id == customer
