"""The harness gives a service what processes give it: callers, events, time and long work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import Int64Value
from kehu.interactions.v1 import calendars_pb2 as pb

from libs.chassis import context, identity
from libs.chassis.domain import DomainError, InvalidArgument
from libs.chassis.operations import Operations, OperationState
from libs.chassis.testing import MemoryJob, World, run_killed_everywhere
from services.interactions.__main__ import SERVICE as INTERACTIONS
from tests.support.ledger import Account
from tests.support.ledger_service.__main__ import SERVICE as LEDGER
from tests.support.ledger_service.store import LedgerStore, tally_id

AT = datetime(2026, 8, 10, 9, tzinfo=UTC)
REQUEST_ID = "7f1d2b9a-2d43-4c0e-9d0f-0a51b1a9f3c2"


@pytest.fixture
def ledger() -> Iterator[World[LedgerStore]]:
    with World(LEDGER, at=AT).entered() as world:
        yield world


@pytest.fixture
def interactions() -> Iterator[World[Any]]:
    with World(INTERACTIONS, at=AT).entered() as world:
        yield world


def calendar(name: str, **fields: Any) -> pb.CreateCalendarRequest:
    monday = pb.WeeklyInterval(weekday="WEEKDAY_MONDAY", start_minute=540, end_minute=1080)
    week = pb.WeeklySchedule(intervals=[monday])
    hours = pb.BusinessCalendar(display_name=name, time_zone="Asia/Shanghai", schedules=[week])
    return pb.CreateCalendarRequest(calendar=hours, **fields)


def test_its_time_stands_still_and_its_caller_acts(ledger: World[LedgerStore]) -> None:
    account = ledger.store.accounts.insert(lambda id: Account(id=id, name="Li").open())
    assert (account.create_time, context.current().actor) == (AT, "ada")
    ledger.clock.advance(timedelta(days=1))
    assert identity.now() == AT + timedelta(days=1)
    with ledger.acting("eve", tenant="other"):
        assert ledger.store.accounts.find_by_id(account.id) is None


def test_events_are_delivered_to_the_reactions_of_their_tenant(ledger: World[LedgerStore]) -> None:
    account = ledger.store.accounts.insert(lambda id: Account(id=id, name="Li").open())
    ledger.store.accounts.update(account.id, lambda each: each.deposit(1))
    assert ledger.events() == ["account.opened", "account.changed"]
    assert (ledger.deliver(), ledger.deliver()) == (2, 0)
    assert ledger.store.tallies.get(tally_id(account.id)).count == 2


def test_long_work_is_done_as_by_its_process(ledger: World[LedgerStore], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.ledger_service.operations.STEP", 0)
    started = Operations(ledger.database).start("open_accounts", Int64Value(value=3))
    assert ledger.operate(started.id).state is OperationState.SUCCEEDED
    assert len(ledger.store.accounts.find(None, limit=9)) == 3


def test_work_is_killed_at_every_checkpoint() -> None:
    def work(job: MemoryJob[int, dict[str, int]]) -> int:
        for number in range(job.state.get("n", 0), job.request):
            job.progress(number, job.request, n=number + 1)
        return job.state["n"]

    result, kills = run_killed_everywhere(work, 10)
    assert result == 10
    assert kills > 2


def test_a_call_keeps_the_rules_of_its_proto_and_is_answered_as_by_the_server(interactions: World[Any]) -> None:
    made = interactions.call(calendar("Hotline"), pb.BusinessCalendar)
    listed = interactions.call(pb.ListCalendarsRequest(), pb.ListCalendarsResponse)
    assert [each.id for each in listed.calendars] == [made.id]
    with pytest.raises(InvalidArgument) as refused:
        interactions.call(calendar(""), pb.BusinessCalendar)
    assert refused.value.violations[0].field == "calendar.display_name"


def test_a_call_with_a_request_id_is_a_command(interactions: World[Any]) -> None:
    first, again = (interactions.call(calendar("A", request_id=REQUEST_ID), pb.BusinessCalendar) for _ in range(2))
    assert first.id == again.id
    with pytest.raises(DomainError) as refused:
        interactions.call(calendar("B", request_id=REQUEST_ID), pb.BusinessCalendar)
    assert refused.value.reason_code == "REQUEST_ID_REUSED"
