"""RabbitMQ: how to connect, what is declared, and publishing that is sure to have arrived.

Knows messages and queues; what events are is the business of `outbox` and `inbox`.
"""

from libs.engine.bus.connection import BUS_ERRORS, body_of, close, connect, tick
from libs.engine.bus.publisher import Outgoing, Publisher, PublishFailed
from libs.engine.bus.topology import TIERS, Binding, Exchange, Queue, Route, Topology, service_topology

__all__ = [
    "BUS_ERRORS",
    "TIERS",
    "Binding",
    "Exchange",
    "Outgoing",
    "PublishFailed",
    "Publisher",
    "Queue",
    "Route",
    "Topology",
    "body_of",
    "close",
    "connect",
    "service_topology",
    "tick",
]
