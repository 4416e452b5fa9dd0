"""The events of a change as they wait in the document of their entity, serialised once for relay, bus and journal."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from google.protobuf.message import Message
from kehu.common.v1 import envelope_pb2, erasure_pb2

from libs import tracing
from libs.chassis import context
from libs.chassis.codec import timestamp, to_proto
from libs.chassis.domain import Entity, Event
from libs.chassis.inbox import event_type
from libs.engine.store.vault import Sealing, Vault

NOT_CONTENT = frozenset(
    {"_id", "revision", "create_time", "update_time", "_pending", "_pending_since", "_held_by", "_commands"}
)
"""Of an open document."""


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of the business fields that differ."""
    names = (before.keys() | after.keys()) - NOT_CONTENT
    return sorted(name for name in names if before.get(name) != after.get(name))


def waiting_events(
    vault: Vault,
    sealing: Sealing,
    entity: Entity,
    events: Sequence[Event],
    *,
    at: datetime,
    changed_fields: Sequence[str],
) -> list[dict[str, Any]]:
    """The `_pending` entries of the events that took `entity` to its revision, what is personal in them sealed."""
    here, waiting = context.current(), []
    for number, event in enumerate(events):
        message_class, type_name = event_message(vault.service, type(event))
        message = to_proto(event.at_revision(entity), message_class)
        whole = vault.seal_event(message)
        envelope = envelope_pb2.Envelope(
            id=f"{entity.id}:{entity.revision}:{number}",
            source=vault.service,
            type=type_name,
            time=cast(Any, timestamp(at)),
            tenant=here.tenant,
            entity_id=entity.id,
            revision=entity.revision,
            actor=here.actor,
            acting_service=here.acting_service,
            client_certificate=here.client_certificate,
            causation_id=here.causation_id,
            correlation_id=here.correlation_id,
            traceparent=tracing.traceparent(),
            changed_fields=changed_fields,
            data=message.SerializeToString(),
        )
        if whole:
            envelope.sealed.key, envelope.sealed.data = sealing.event(whole, envelope.id)
        body = envelope.SerializeToString()
        waiting.append(
            {
                "id": envelope.id,
                "seq": entity.revision,
                "type": type_name,
                "at": at,
                "traceparent": envelope.traceparent,
                "size": len(body),
                "body": body,
            }
        )
    return waiting


_messages: dict[tuple[str, type[Event]], tuple[type[Message], str]] = {}


def event_message(service: str, event: type[Event]) -> tuple[type[Message], str]:
    """The message class and the type of a domain event: the message of its name in `kehu.<service>.v1.events`, or among
    those that services share."""
    known = _messages.get((service, event))
    if known is None:
        module = importlib.import_module(f"kehu.{service}.v1.events_pb2")
        message_class = getattr(module, event.__name__, None) or getattr(erasure_pb2, event.__name__)
        known = _messages[service, event] = message_class, event_type(message_class, service)
    return known
