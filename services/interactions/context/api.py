"""`ContextService`: what the next person to serve a customer must know, and the watch that keeps it current."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator

from kehu.interactions.v1 import context_pb2 as pb
from kehu.interactions.v1 import context_pb2_grpc

from libs.chassis.codec import to_proto
from libs.chassis.feed import Feed, Notice
from libs.chassis.serving import still_open
from services.interactions.cases.store import CasesStore
from services.interactions.context.application import Contexts
from services.interactions.promises.api import promise
from services.interactions.promises.domain import Promise
from services.interactions.timeline.api import interaction
from services.interactions.timeline.domain import Interaction
from services.interactions.timeline.store import TimelineStore


class ContextApi(context_pb2_grpc.ContextServiceServicer):
    """Serves `kehu.interactions.v1.ContextService`."""

    def __init__(self, timeline: TimelineStore, cases: CasesStore, feed: Feed) -> None:
        self._contexts = Contexts(timeline, cases)
        self._feed = feed

    def GetContext(self, request: pb.GetContextRequest, _: object) -> pb.CustomerContext:
        return to_proto(self._contexts.get(request.customer_id), pb.CustomerContext)

    def WatchTimeline(self, request: pb.WatchTimelineRequest, _: object) -> Iterator[pb.WatchTimelineResponse]:
        notices = self._contexts.watch(self._feed, request.customer_id, request.cursor, still_open)
        return (_notice(notice) for notice in notices)


def _notice(notice: Notice) -> pb.WatchTimelineResponse:
    match notice.entity:
        case Interaction() as changed:
            return pb.WatchTimelineResponse(cursor=notice.cursor, interaction=interaction(changed))
        case Promise() as changed:
            return pb.WatchTimelineResponse(cursor=notice.cursor, promise=promise(changed))
        case _:
            return pb.WatchTimelineResponse(cursor=notice.cursor)
