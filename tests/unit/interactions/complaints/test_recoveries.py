"""Deals that come after complaints, and what a recovery brought."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.interactions.v1 import cases_pb2, sla_pb2
from kehu.interactions.v1 import complaints_pb2 as pb
from kehu.opportunities.v1 import events_pb2 as opportunities
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from tests.unit.interactions.cases.conftest import AREAS, NOW, SCOPES, Desk, desk, office, opened, policy

__all__ = ["AREAS", "SCOPES", "desk", "office", "opened", "policy"]
DAY = timedelta(days=1)


def complained(desk: Desk, opened: Any, customer_id: str, *, confirmed: bool) -> pb.Complaint:
    """A complaint that ended, with the word of the customer or in silence."""
    case = opened(customer_id=customer_id, type=cases_pb2.CASE_TYPE_INQUIRY)
    drafted = pb.Complaint(case_id=case.id, complained_of="Nobody called back.")
    made = desk.call(pb.ReceiveComplaintRequest(complaint=drafted), pb.Complaint)
    asked = {"term": {"civil_time": {"date": {"year": 2027, "month": 1, "day": 1}, "time_zone": "UTC"}}}
    steps: list[Any] = [
        pb.AcknowledgeComplaintRequest(complaint_id=made.id, plan="We ask.", **asked),  # type: ignore[arg-type]
        pb.AssessComplaintRequest(
            complaint_id=made.id,
            severity=pb.COMPLAINT_SEVERITY_LOW,
            scope="one",
            taxonomy_path="staff",
            attribution=dict.fromkeys(("touchpoint", "employee", "product"), "NOT_ATTRIBUTABLE"),
        ),
        pb.InvestigateComplaintRequest(complaint_id=made.id),
        pb.ProposeRemedyRequest(complaint_id=made.id, decision="You were right."),
    ]
    if confirmed:
        steps += [
            pb.AcceptRemedyRequest(complaint_id=made.id),
            pb.CompleteRemedyRequest(complaint_id=made.id, feedback="It is done."),
            pb.ConfirmComplaintRequest(complaint_id=made.id),
        ]
    else:
        steps += [
            pb.RejectRemedyRequest(complaint_id=made.id),
            pb.EngageRegulatorRequest(complaint_id=made.id, regulator_ref="R 1"),
        ]
    for each in steps:
        desk.call(each, pb.Complaint)
    return made


def told(desk: Desk, kind: Any, customer_id: str, deal_id: str, units: int = 0, *, revision: int = 1) -> None:
    message = kind()
    message.deal.id, message.deal.customer_id = deal_id, customer_id
    message.deal.amount.currency_code, message.deal.amount.minor_units = "EUR", units
    desk.hear(message, entity_id=deal_id, revision=revision)


def report(desk: Desk) -> pb.ComplaintReport:
    asked = pb.GetComplaintReportRequest(start_time=NOW - DAY, end_time=NOW + DAY)
    return desk.call(asked, pb.ComplaintReport)


@pytest.fixture
def customers(desk: Desk) -> list[str]:
    ids = [identity.new_id("cus") for _ in range(3)]
    for id in ids:
        created: Any = profiles.CustomerCreated()
        created.customer.id = id
        desk.hear(created, entity_id=id)
    return ids


def test_s098_a_recovered_complaint_is_linked_to_the_deals_that_came_after_it(
    desk: Desk, opened: Any, customers: list[str]
) -> None:
    happy, angry, quiet = customers
    told(desk, opportunities.DealWon, happy, "deal_before", 1)
    made = complained(desk, opened, happy, confirmed=True)
    complained(desk, opened, angry, confirmed=False)
    complained(desk, opened, quiet, confirmed=True)
    desk.clock.advance(30 * DAY)
    for _ in range(2):
        told(desk, opportunities.DealWon, happy, "deal_1", 50_000)
    told(desk, opportunities.DealWon, angry, "deal_2", 700)
    told(desk, opportunities.DealWon, identity.new_id("cus"), "deal_3", 9)
    found = desk.call(pb.GetComplaintRequest(complaint_id=made.id), pb.Complaint).later_deals
    assert [(each.deal_id, each.minor_units, each.currency_code) for each in found] == [("deal_1", 50_000, "EUR")]
    good, bad = report(desk).recoveries
    assert (good.confirmed, good.complaints, good.with_deal) == (True, 2, 1)
    assert [(each.currency_code, each.minor_units) for each in good.revenue] == [("EUR", 50_000)]
    assert (bad.confirmed, bad.complaints, bad.with_deal) == (False, 1, 1)
    told(desk, opportunities.DealReopened, happy, "deal_1", revision=2)
    assert report(desk).recoveries[0].with_deal == 0


def test_a_deal_of_another_year_is_no_consequence(desk: Desk, opened: Any, customers: list[str]) -> None:
    complained(desk, opened, customers[0], confirmed=True)
    desk.clock.advance(366 * DAY)
    told(desk, opportunities.DealWon, customers[0], "deal_1", 5)
    assert [each.with_deal for each in report(desk).recoveries] == [0]


def test_the_share_of_questions_that_grew_into_complaints_is_told(
    desk: Desk, opened: Any, customers: list[str]
) -> None:
    complained(desk, opened, customers[0], confirmed=True)
    for _ in range(3):
        opened()
    asked = sla_pb2.GetSlaReportRequest(start_time=NOW - DAY, end_time=NOW + DAY)
    assert desk.call(asked, sla_pb2.SlaReport).conversion_share == 0.25
