"""The events of customers that other areas react to."""

from __future__ import annotations

from typing import Final

from kehu.profiles.v1 import events_pb2

CUSTOMER_EVENTS: Final = (
    events_pb2.CustomerCreated,
    events_pb2.CustomerUpdated,
    events_pb2.CustomerDeleted,
    events_pb2.CustomerUndeleted,
    events_pb2.CustomerLifecycleChanged,
    events_pb2.CustomersMerged,
    events_pb2.CustomersUnmerged,
    events_pb2.CustomerErasureRequested,
)
