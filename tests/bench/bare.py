"""The bare server that ours is compared with: threads, one database call and the answer. No token, tenant, deadline,
validation, log, metric, event or idempotency.

    python -m tests.bench.bare <mongodb uri> <port>
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import grpc
from bson import ObjectId
from google.protobuf.timestamp_pb2 import Timestamp
from kehu.profiles.v1.contact_points_pb2 import ContactPoint
from kehu.profiles.v1.customer_pb2 import Customer, PersonName
from kehu.profiles.v1.customers_pb2 import GetCustomerRequest, ListCustomersRequest, ListCustomersResponse

from libs.engine.store import connect
from tests.bench.load import SERVER_CORE, pin

GET, LIST, INSERT = "/bare/Get", "/bare/List", "/bare/Insert"
THREADS = 8
"""As many as ours has."""


def customer_of(document: Mapping[str, Any]) -> Customer:
    """The message of a document, with a line of code for every field that the benchmark's customers have."""
    contact_points = [
        ContactPoint(
            type=ContactPoint.Type.Value(f"TYPE_{point['type']}"),
            raw=point["raw"],
            canonical=point["canonical"],
            region_code=point["region_code"],
            label=point["label"],
            primary=point["primary"],
            status=ContactPoint.Status.Value(f"STATUS_{point['status']}"),
            source=point["source"],
        )
        for point in document["contact_points"]
    ]
    names = [
        PersonName(
            given=name["given"],
            family=name["family"],
            middle=name["middle"],
            script=name["script"],
            order=PersonName.Order.Value(f"ORDER_{name['order']}"),
            pinyin=name["pinyin"],
            prefix=name["prefix"],
        )
        for name in document["names"]
    ]
    customer = Customer(
        id=document["_id"],
        revision=document["revision"],
        create_time=_timestamp(document["create_time"]),
        update_time=_timestamp(document["update_time"]),
        kind=Customer.Kind.Value(f"KIND_{document['kind']}"),
        display_name=document["display_name"],
        names=names,
        aliases=document["aliases"],
        lifecycle=Customer.Lifecycle.Value(f"LIFECYCLE_{document['lifecycle']}"),
        owner=document["owner"],
        contact_points=contact_points,
        labels=document["labels"],
    )
    customer.preferences.language_code = document["preferences"]["language_code"]
    customer.preferences.time_zone = document["preferences"]["time_zone"]
    return customer


def _timestamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


class _Bare(grpc.GenericRpcHandler):
    def __init__(self, uri: str) -> None:
        database = connect(uri, "bench")["profiles"]
        self._customers = database["open_customers"]
        self._inserted = database["bare_customers"]
        self._template = self._customers.find_one({"tenant": "bench"}) or {}
        self._template = {name: value for name, value in self._template.items() if not name.startswith("_")}
        self._handlers = {GET: self._get, LIST: self._list, INSERT: self._insert}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(self._handlers[details.method])

    def _get(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        found = self._customers.find_one({"_id": GetCustomerRequest.FromString(request).customer_id})
        return customer_of(found or {}).SerializeToString()

    def _list(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        size = ListCustomersRequest.FromString(request).page_size
        found = self._customers.find({"tenant": "bench", "lifecycle": "LEAD"}).sort("create_time", -1).limit(size)
        return ListCustomersResponse(customers=[customer_of(document) for document in found]).SerializeToString()

    def _insert(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        self._inserted.insert_one({**self._template, "_id": ObjectId()})
        return request


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(THREADS), options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((_Bare(sys.argv[1]),))
    server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
    server.start()
    pin(os.getpid(), SERVER_CORE)
    print("ready", flush=True)
    server.wait_for_termination()
