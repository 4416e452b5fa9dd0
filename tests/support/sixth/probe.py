"""Prints as JSON what local stack, client, doctor and the rest know of the services, for a test of the registry."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from libs.engine.store.memory import MemoryDatabase
from libs.client import Client
from libs.suite import composition, routes
from libs.command.commands.doctor import examine
from libs.client.stack import Stack
from libs.localstack import stack as local
from libs.monitoring.graph import edges
from tests.support.stack import System

scratch = Path(tempfile.mkdtemp())
client = Client(dict.fromkeys(local.SERVICES, "127.0.0.1:1"), token="t")
erasures = composition("profiles").store(MemoryDatabase("profiles")).database.collections["erasures"]
print(
    json.dumps(
        {
            "local stack": [row.name for row in local.Stack(folder=scratch).rows()],
            "client": sorted(name for name in dir(client.parcels) if not name.startswith("_")),
            "doctor": [finding.what for finding in examine(Stack())],
            "tests": sorted(System(scratch, mongodb_uri="", amqp_uri="").targets),
            "queues": [queue for route in routes("parcels") for queue in route.queues("parcels")],
            "topology": sorted({edge.service for edge in edges()}),
            "erasure": erasures.entity.__dataclass_fields__["awaited_services"].default,
        }
    )
)
