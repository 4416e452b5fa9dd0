"""`ConversationsService`: conversations, and what people do with them."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.interactions.v1 import conversations_pb2 as pb
from kehu.interactions.v1 import conversations_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import CloseReason, Conversation
from services.interactions.conversations.store import ConversationsStore


class ConversationsApi(conversations_pb2_grpc.ConversationsServiceServicer):
    """Serves `kehu.interactions.v1.ConversationsService`."""

    def __init__(self, store: ConversationsStore) -> None:
        self._conversations = Conversations(store)

    def GetConversation(self, request: pb.GetConversationRequest, _: object) -> pb.Conversation:
        return conversation(self._conversations.get(request.conversation_id))

    def ListConversations(self, request: pb.ListConversationsRequest, _: object) -> pb.ListConversationsResponse:
        page = self._conversations.list(request.filter, PageRequest.of(request))
        return pb.ListConversationsResponse(
            conversations=map(conversation, page.items), next_page_token=page.next_page_token
        )

    def ContinueConversation(self, request: pb.ContinueConversationRequest, _: object) -> pb.Conversation:
        named = {"continuity_token": request.continuity_token, "conversation_id": request.conversation_id}
        return conversation(self._conversations.resume(**named, customer_id=request.customer_id))

    def TransferConversation(self, request: pb.TransferConversationRequest, _: object) -> pb.Conversation:
        to = {"agent_id": request.agent_id, "queue": request.queue, "note": request.note}
        return conversation(self._conversations.transfer(request.conversation_id, **to, revision=request.revision))

    def CloseConversation(self, request: pb.CloseConversationRequest, _: object) -> pb.Conversation:
        reason = field_of(request, "reason", CloseReason)
        return conversation(self._conversations.close(request.conversation_id, reason, revision=request.revision))


def conversation(entity: Conversation) -> pb.Conversation:
    """The message of a conversation."""
    return to_proto(entity, pb.Conversation)
