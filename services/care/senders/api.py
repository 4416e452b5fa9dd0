"""`SendersService`: through whom messages go."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import senders_pb2 as pb
from kehu.care.v1 import senders_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.care.senders.application.senders import Senders
from services.care.senders.domain import Sender
from services.care.senders.store import SendersStore


class SendersApi(senders_pb2_grpc.SendersServiceServicer):
    """Serves `kehu.care.v1.SendersService`."""

    def __init__(self, store: SendersStore) -> None:
        self._senders = Senders(store)

    def DefineSender(self, request: pb.DefineSenderRequest, _: object) -> pb.Sender:
        with inside("sender"):
            return to_proto(self._senders.define(field_of(request, "sender", Sender)), pb.Sender)

    def ListSenders(self, request: pb.ListSendersRequest, _: object) -> pb.ListSendersResponse:
        return to_page(self._senders.list(PageRequest.of(request)), pb.ListSendersResponse)
