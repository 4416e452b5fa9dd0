"""`PromisesService`: promises to customers, from being given to being kept, broken or moved."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.interactions.v1 import promises_pb2 as pb
from kehu.interactions.v1 import promises_pb2_grpc

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.paging import PageRequest
from libs.chassis.validation import inside
from libs.worktime.terms import Term
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.promises.store import PromisesStore


class PromisesApi(promises_pb2_grpc.PromisesServiceServicer):
    """Serves `kehu.interactions.v1.PromisesService`."""

    def __init__(self, store: PromisesStore) -> None:
        self._promises = Promises(store)

    def MakePromise(self, request: pb.MakePromiseRequest, _: object) -> pb.Promise:
        with inside("promise"):
            return promise(self._promises.make(from_proto(Promise, request.promise)))

    def KeepPromise(self, request: pb.KeepPromiseRequest, _: object) -> pb.Promise:
        kept_time = field_of(request, "kept_time", datetime, None)
        return promise(self._promises.keep(request.promise_id, kept_time, revision=request.revision))

    def BreakPromise(self, request: pb.BreakPromiseRequest, _: object) -> pb.Promise:
        return promise(self._promises.give_up(request.promise_id, request.reason, revision=request.revision))

    def RecoverPromise(self, request: pb.RecoverPromiseRequest, _: object) -> pb.Promise:
        return promise(self._promises.recover(request.promise_id, request.recovery, revision=request.revision))

    def RenegotiatePromise(self, request: pb.RenegotiatePromiseRequest, _: object) -> pb.Promise:
        term = field_of(request, "term", Term)
        agreed = {"agreement": request.agreement, "text": request.text}
        return promise(self._promises.renegotiate(request.promise_id, term, **agreed, revision=request.revision))

    def GetPromise(self, request: pb.GetPromiseRequest, _: object) -> pb.Promise:
        return promise(self._promises.get(request.promise_id))

    def ListPromises(self, request: pb.ListPromisesRequest, _: object) -> pb.ListPromisesResponse:
        page = self._promises.list(request.filter, PageRequest.of(request))
        return pb.ListPromisesResponse(promises=map(promise, page.items), next_page_token=page.next_page_token)


def promise(entity: Promise) -> pb.Promise:
    """The message of a promise."""
    return to_proto(entity, pb.Promise)
