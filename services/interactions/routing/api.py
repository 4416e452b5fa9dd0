"""`RoutingService`: queues, agents, and who gets what next."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.interactions.v1 import routing_pb2 as pb
from kehu.interactions.v1 import routing_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.interactions.routing.application.people import People
from services.interactions.routing.application.queues import Queues
from services.interactions.routing.application.works import Works
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.work import WorkItem, WorkResult
from services.interactions.routing.store import RoutingStore


class RoutingApi(routing_pb2_grpc.RoutingServiceServicer):
    """Serves `kehu.interactions.v1.RoutingService`."""

    def __init__(self, store: RoutingStore) -> None:
        self._queues, self._people, self._works = Queues(store), People(store), Works(store)

    def CreateQueue(self, request: pb.CreateQueueRequest, _: object) -> pb.WorkQueue:
        with inside("queue"):
            return to_proto(self._queues.create(field_of(request, "queue", WorkQueue)), pb.WorkQueue)

    def RedefineQueue(self, request: pb.RedefineQueueRequest, _: object) -> pb.WorkQueue:
        draft = field_of(request, "queue", WorkQueue)
        with inside("queue"):
            return to_proto(self._queues.redefine(draft, revision=request.revision), pb.WorkQueue)

    def GetQueue(self, request: pb.GetQueueRequest, _: object) -> pb.WorkQueue:
        return to_proto(self._queues.get(request.queue_id), pb.WorkQueue)

    def ListQueues(self, request: pb.ListQueuesRequest, _: object) -> pb.ListQueuesResponse:
        return to_page(self._queues.list(PageRequest.of(request)), pb.ListQueuesResponse)

    def GetQueueState(self, request: pb.GetQueueStateRequest, _: object) -> pb.QueueState:
        return to_proto(self._queues.state(request.queue_id), pb.QueueState)

    def ListQueueStates(self, request: pb.ListQueueStatesRequest, _: object) -> pb.ListQueueStatesResponse:
        return to_page(self._queues.states(PageRequest.of(request)), pb.ListQueueStatesResponse)

    def EstimateWait(self, request: pb.EstimateWaitRequest, _: object) -> pb.WaitEstimate:
        return to_proto(self._queues.estimate(request.queue_id), pb.WaitEstimate)

    def RegisterAgent(self, request: pb.RegisterAgentRequest, _: object) -> pb.QueueAgent:
        with inside("agent"):
            return to_proto(self._people.register(field_of(request, "agent", QueueAgent)), pb.QueueAgent)

    def GetAgent(self, request: pb.GetAgentRequest, _: object) -> pb.QueueAgent:
        return to_proto(self._people.get(request.agent_id), pb.QueueAgent)

    def ListAgents(self, request: pb.ListAgentsRequest, _: object) -> pb.ListAgentsResponse:
        return to_page(self._people.list(PageRequest.of(request)), pb.ListAgentsResponse)

    def GetAgentTimes(self, request: pb.GetAgentTimesRequest, _: object) -> pb.AgentTimes:
        start, end = field_of(request, "start_time", datetime), field_of(request, "end_time", datetime)
        return to_proto(self._people.times(request.agent_id, start, end), pb.AgentTimes)

    def SetPresence(self, request: pb.SetPresenceRequest, _: object) -> pb.QueueAgent:
        presence = field_of(request, "presence", Presence)
        return to_proto(self._works.appear(request.agent_id, presence), pb.QueueAgent)

    def RenewPresence(self, request: pb.RenewPresenceRequest, _: object) -> pb.QueueAgent:
        return to_proto(self._people.renew(request.agent_id), pb.QueueAgent)

    def EnqueueWork(self, request: pb.EnqueueWorkRequest, _: object) -> pb.WorkItem:
        with inside("work"):
            return to_proto(self._works.enqueue(field_of(request, "work", WorkItem)), pb.WorkItem)

    def GetWork(self, request: pb.GetWorkRequest, _: object) -> pb.WorkItem:
        return to_proto(self._works.get(request.work_id), pb.WorkItem)

    def ListWork(self, request: pb.ListWorkRequest, _: object) -> pb.ListWorkResponse:
        return to_page(self._works.list(request.filter, PageRequest.of(request)), pb.ListWorkResponse)

    def OfferNext(self, request: pb.OfferNextRequest, _: object) -> pb.OfferNextResponse:
        offered = self._works.offer_next(request.agent_id)
        return pb.OfferNextResponse(work=to_proto(offered, pb.WorkItem) if offered is not None else None)

    def AcceptWork(self, request: pb.AcceptWorkRequest, _: object) -> pb.WorkItem:
        return to_proto(self._works.accept(request.work_id, request.agent_id), pb.WorkItem)

    def RefuseOffer(self, request: pb.RefuseOfferRequest, _: object) -> pb.WorkItem:
        return to_proto(self._works.refuse(request.work_id, request.agent_id), pb.WorkItem)

    def FinishTalk(self, request: pb.FinishTalkRequest, _: object) -> pb.WorkItem:
        return to_proto(self._works.finish(request.work_id, request.agent_id), pb.WorkItem)

    def CompleteWork(self, request: pb.CompleteWorkRequest, _: object) -> pb.WorkItem:
        result = field_of(request, "result", WorkResult, WorkResult())
        return to_proto(self._works.complete(request.work_id, request.agent_id, result), pb.WorkItem)

    def AbandonWork(self, request: pb.AbandonWorkRequest, _: object) -> pb.WorkItem:
        return to_proto(self._works.abandon(request.work_id), pb.WorkItem)

    def TransferWork(self, request: pb.TransferWorkRequest, _: object) -> pb.WorkItem:
        moved = self._works.transfer(request.work_id, request.agent_id, request.queue_id, request.note)
        return to_proto(moved, pb.WorkItem)

    def RequestCallback(self, request: pb.RequestCallbackRequest, _: object) -> pb.WorkItem:
        time = field_of(request, "callback_time", datetime)
        return to_proto(self._works.call_back(request.work_id, time, request.number), pb.WorkItem)

    def AssignWork(self, request: pb.AssignWorkRequest, _: object) -> pb.WorkItem:
        return to_proto(self._works.assign(request.work_id, request.agent_id, request.reason), pb.WorkItem)

    def ExplainAssignment(self, request: pb.ExplainAssignmentRequest, _: object) -> pb.ExplainAssignmentResponse:
        found = self._works.decisions(request.work_id)
        return pb.ExplainAssignmentResponse(decisions=[to_proto(each, pb.AssignmentDecision) for each in found])
