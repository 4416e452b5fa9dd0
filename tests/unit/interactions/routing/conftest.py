"""The floor of a call center over the store in memory, on a Monday at nine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from kehu.interactions.v1 import calendars_pb2, routing_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.testing import World
from services.interactions.__main__ import SERVICE
from services.interactions.store import InteractionsStore

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)  # a Monday
SCOPES = {
    f"interactions.{area}.{right}"
    for area in ("queues", "agents", "work", "calendars", "promises", "calls", "quality")
    for right in ("read", "write")
} | {"interactions.work.supervise", "interactions.subject_data.read"}
pb = routing_pb2


@dataclass
class Floor:
    """Queues, agents and callers."""

    world: World[InteractionsStore]

    @property
    def store(self) -> InteractionsStore:
        return self.world.store

    def call(self, request: Any, answers: Any, **caller: Any) -> Any:
        return self.world.call(request, answers, **caller)

    def queue(self, name: str = "Hotline", **fields: Any) -> str:
        """The id of a new queue."""
        queue = pb.WorkQueue(display_name=name, **fields)
        return str(self.call(pb.CreateQueueRequest(queue=queue), pb.WorkQueue).id)

    def weekdays(self) -> str:
        """The id of a calendar of 8 to 18 hours from Monday to Friday."""
        days = [f"WEEKDAY_{day}" for day in ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")]
        hours = [{"weekday": day, "start_minute": 8 * 60, "end_minute": 18 * 60} for day in days]
        calendar = calendars_pb2.BusinessCalendar(
            display_name=f"weekdays {uuid4()}", time_zone="UTC", schedules=[{"intervals": hours}]
        )
        made = self.call(calendars_pb2.CreateCalendarRequest(calendar=calendar), calendars_pb2.BusinessCalendar)
        return str(made.id)

    def agent(self, name: str, *queue_ids: str, there: bool = True, **fields: Any) -> str:
        """The id of an agent, who is available."""
        agent = pb.QueueAgent(principal=name, queue_ids=queue_ids, **fields)
        made = self.call(pb.RegisterAgentRequest(agent=agent), pb.QueueAgent)
        if there:
            self.appear(made.id)
        return str(made.id)

    def appear(self, agent_id: str, presence: Any = pb.PRESENCE_AVAILABLE) -> Any:
        return self.call(pb.SetPresenceRequest(agent_id=agent_id, presence=presence), pb.QueueAgent)

    def enqueue(self, queue_id: str, **fields: Any) -> Any:
        work = pb.WorkItem(queue_id=queue_id, **fields)
        return self.call(pb.EnqueueWorkRequest(work=work), pb.WorkItem)

    def work(self, work_id: str) -> Any:
        return self.call(pb.GetWorkRequest(work_id=work_id), pb.WorkItem)

    def held_by(self, agent_id: str) -> list[str]:
        found = self.call(pb.GetAgentRequest(agent_id=agent_id), pb.QueueAgent)
        return [each.work_id for each in found.held]

    def accept(self, work_id: str, agent_id: str) -> Any:
        return self.call(pb.AcceptWorkRequest(work_id=work_id, agent_id=agent_id), pb.WorkItem)

    def complete(self, work_id: str, agent_id: str, **result: Any) -> Any:
        asked = pb.CompleteWorkRequest(work_id=work_id, agent_id=agent_id, result=pb.WorkResult(**result))
        return self.call(asked, pb.WorkItem)

    def why(self, work_id: str) -> list[Any]:
        asked = pb.ExplainAssignmentRequest(work_id=work_id)
        return list(self.call(asked, pb.ExplainAssignmentResponse).decisions)

    def route(self) -> None:
        """Lets the timers look, and again after half a second."""
        for name in ("presences", "offers", "routing"):
            self.world.tick(name)

    def pass_time(self, **time: float) -> None:
        """Moves the clock on, while nobody looks."""
        self.world.clock.advance(timedelta(**time))

    def customer(self) -> str:
        """The id of a customer that the service has heard of."""
        customer_id = identity.new_id("cus")
        told: Any = profiles.CustomerCreated()
        told.customer.id = customer_id
        self.world.hear(told, entity_id=customer_id)
        return customer_id


@pytest.fixture
def floor() -> Iterator[Floor]:
    with World(SERVICE, at=NOW, scopes=SCOPES, actor="boss").entered() as world:
        yield Floor(world)


Make = Callable[..., Any]
