"""The service over the store in memory, with a policy and terms that cases follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from kehu.interactions.v1 import calendars_pb2, cases_pb2, clocks_pb2

from libs.chassis import identity
from libs.chassis.testing import World
from services.interactions.__main__ import SERVICE
from services.interactions.store import InteractionsStore

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)  # a Monday
AREAS = ("cases", "case_terms", "calendars", "clocks", "complaints", "remedies", "problems", "promises", "interactions")
SCOPES = {f"interactions.{area}.{right}" for area in AREAS for right in ("read", "write")} | {
    "interactions.public_status.read"
}
Desk: TypeAlias = World[InteractionsStore]
Opened = Callable[..., cases_pb2.Case]
OFFICE: dict[str, Any] = {
    "display_name": "Office",
    "time_zone": "UTC",
    "schedules": [{"intervals": [{"weekday": day, "start_minute": 540, "end_minute": 1020} for day in range(1, 6)]}],
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An empty service on a Monday."""
    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as world:
        yield world


@pytest.fixture
def office(desk: Desk) -> calendars_pb2.BusinessCalendar:
    """Nine to five, Monday to Friday, UTC."""
    calendar = calendars_pb2.BusinessCalendar(**OFFICE)
    return desk.call(calendars_pb2.CreateCalendarRequest(calendar=calendar), calendars_pb2.BusinessCalendar)


@pytest.fixture
def policy(desk: Desk, office: calendars_pb2.BusinessCalendar) -> clocks_pb2.ServicePolicy:
    """First response within an hour, next within two, resolution within a working day, and a warning at 75 %."""
    return created(
        desk,
        office.id,
        [
            {"metric": "SERVICE_METRIC_FIRST_RESPONSE", "work": timedelta(hours=1)},
            {"metric": "SERVICE_METRIC_NEXT_RESPONSE", "work": timedelta(hours=2)},
            {"metric": "SERVICE_METRIC_ACKNOWLEDGEMENT", "work": timedelta(hours=4)},
            {
                "metric": "SERVICE_METRIC_RESOLUTION",
                "work": timedelta(hours=8),
                "warnings": [75],
                "pauses": ["WAITING_CUSTOMER"],
            },
        ],
    )


def created(desk: Desk, calendar_id: str, targets: list[Any], **fields: Any) -> clocks_pb2.ServicePolicy:
    """A policy that is in force since long ago."""
    version = {"since_time": NOW - timedelta(days=30), "targets": targets, "calendar": {"calendar_id": calendar_id}}
    drafted = clocks_pb2.ServicePolicy(**{"display_name": "Standard", "versions": [version], **fields})
    return desk.call(clocks_pb2.CreateServicePolicyRequest(policy=drafted), clocks_pb2.ServicePolicy)


@pytest.fixture
def opened(desk: Desk, policy: clocks_pb2.ServicePolicy) -> Opened:
    """Opens a case that somebody owns, under the policy, unless said otherwise."""

    def make(*, owner: str = "agt_1", tier: str = "", started: bool = True, **fields: Any) -> cases_pb2.Case:
        told = {"customer_id": identity.new_id("cus"), "subject": "No invoice", "type": "CASE_TYPE_REQUEST", **fields}
        request = cases_pb2.CreateCaseRequest(
            case=cases_pb2.Case(**told), owner=owner, team="billing", policy_id=policy.id, tier=tier
        )
        made = desk.call(request, cases_pb2.Case)
        return desk.call(cases_pb2.StartCaseRequest(case_id=made.id), cases_pb2.Case) if started else made

    return make
