"""Figures of single calls: the whole chassis beside a bare server, both on one core, the load on the other."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from google.protobuf.message import Message
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.customers_pb2 import (
    CreateCustomerRequest,
    GetCustomerRequest,
    ListCustomersRequest,
    UpdateCustomerRequest,
)

from libs.chassis.codec import to_doc
from libs.client.values import fill
from libs.localstack.processes import HOST, free_port
from libs.registry import SERVICES
from tests.bench import bare, load
from tests.bench.figures import Figure
from tests.bench.stage import TENANT, Stage, in_turns

SERVICE = "/kehu.profiles.v1.CustomersService"
WORKERS = tuple(f"{service}-worker" for service in SERVICES)


def get(stage: Stage) -> Figure:
    """Get by id beside a bare find_one."""
    ids = customers(stage, 200)
    requests = [GetCustomerRequest(customer_id=id) for id in ids]
    with side_by_side(stage) as (ours, bare_target):
        rates = in_turns(
            stage.rounds,
            ours=lambda: rate(stage, ours, f"{SERVICE}/GetCustomer", requests),
            bare=lambda: rate(stage, bare_target, bare.GET, requests),
        )
    return Figure.ratio("Get by id, calls/s", "threads + find_one", rates, reach=0.75)


def masking(stage: Stage) -> Figure:
    """Get by id for a caller to whom every class is hidden, beside one who sees it in full."""
    requests = [GetCustomerRequest(customer_id=id) for id in customers(stage, 200)]
    method, masked = f"{SERVICE}/GetCustomer", stage.system.token(TENANT, ("profiles.customers.read",))
    with side_by_side(stage) as (ours, _):
        rates = in_turns(
            stage.rounds,
            ours=lambda: rate(stage, ours, method, requests, token=masked),
            bare=lambda: rate(stage, ours, method, requests),
        )
    return Figure.ratio("Get with masks, calls/s", "Get in full", rates, reach=0.97)


def list_(stage: Stage) -> Figure:
    """A page of 50 by an indexed filter beside a bare cursor."""
    customers(stage, 200)
    requests = [ListCustomersRequest(page_size=50, filter="lifecycle = LEAD")]
    with side_by_side(stage) as (ours, bare_target):
        rates = in_turns(
            stage.rounds,
            ours=lambda: rate(stage, ours, f"{SERVICE}/ListCustomers", requests),
            bare=lambda: rate(stage, bare_target, bare.LIST, requests),
        )
    return Figure.ratio("List of 50, calls/s", "threads + cursor + encode", rates, reach=0.7)


def create(stage: Stage) -> Figure:
    """Create with events, audit and idempotency beside a bare majority insert."""
    customers(stage, 1)
    with side_by_side(stage) as (ours, bare_target):
        rates = in_turns(
            stage.rounds,
            ours=lambda: rate(stage, ours, f"{SERVICE}/CreateCustomer", _creations(int(2500 * stage.seconds))),
            bare=lambda: rate(stage, bare_target, bare.INSERT, _creations(100)),
        )
    return Figure.ratio("Create, calls/s", "threads + majority insert", rates, reach=0.6)


def update(stage: Stage) -> Figure:
    """Update with events, audit and idempotency beside a bare majority insert."""
    ids = customers(stage, 1000)
    with side_by_side(stage) as (ours, bare_target):
        rates = in_turns(
            stage.rounds,
            ours=lambda: rate(stage, ours, f"{SERVICE}/UpdateCustomer", _updates(ids, int(2500 * stage.seconds))),
            bare=lambda: rate(stage, bare_target, bare.INSERT, _creations(100)),
        )
    return Figure.ratio("Update, calls/s", "threads + majority insert", rates, reach=0.6)


def rate(stage: Stage, target: str, method: str, requests: Sequence[Message], *, token: str = "") -> float:
    return load.run(
        target,
        method,
        [request.SerializeToString() for request in requests],
        token=token or stage.system.token(TENANT),
        seconds=stage.seconds,
    ).rate


def customer(number: int) -> Customer:
    """A customer of ordinary size."""
    return fill(
        Customer(),
        {
            "kind": "PERSON",
            "names": [{"family": "王", "given": f"小明{number}"}],
            "owner": "li.na",
            "contact_points": [
                {"type": "PHONE", "raw": f"138{number % 10**8:08d}", "region_code": "CN", "label": "手机"},
                {"type": "EMAIL", "raw": f"customer.{number}@example.cn", "source": "web form"},
            ],
            "preferences": {"language_code": "zh-Hans-CN", "time_zone": "Asia/Shanghai"},
            "labels": {"tier": "gold"},
        },
    )


def _creations(count: int) -> list[CreateCustomerRequest]:
    return [CreateCustomerRequest(customer=customer(number), request_id=str(uuid.uuid4())) for number in range(count)]


def _updates(ids: Sequence[str], count: int) -> list[UpdateCustomerRequest]:
    requests = []
    for number in range(count):
        request = UpdateCustomerRequest(request_id=str(uuid.uuid4()))
        request.customer.id, request.customer.owner = ids[number % len(ids)], f"owner {uuid.uuid4().hex[:8]}"
        request.update_mask.paths.append("owner")
        requests.append(request)
    return requests


def customers(stage: Stage, count: int) -> list[str]:
    """Ids of so many customers, made when there are fewer."""
    with stage.system.client(TENANT, timeout=30) as client:
        ids = [found.id for found in islice(client.profiles.list_customers(page_size=500), count)]
        while len(ids) < count:
            rows = [{"request_id": str(uuid.uuid4()), "customer": customer(len(ids) + n)} for n in range(500)]
            ids += [outcome.id for outcome in client.profiles.import_customers(rows=rows).outcomes]
    _lay_open(stage)
    return ids[:count]


def _lay_open(stage: Stage) -> None:
    """Copies the customers, with nothing sealed, to where the bare server finds them."""
    with stage.profiles(TENANT) as store:
        customers: Any = store.customers.customers
        sealed = list(customers.raw.find({"tenant": TENANT}))
        copies = customers.raw.database["open_customers"]
        copies.drop()
        copies.create_index(["tenant", "lifecycle", ("create_time", -1)])
        copies.insert_many([{**to_doc(customers.read(document)), "tenant": TENANT} for document in sealed])


@contextmanager
def side_by_side(stage: Stage, service: str = "profiles") -> Iterator[tuple[str, str]]:
    """Addresses of our server and of a bare one, both on the same core. Workers pause, since bare has none."""
    port = free_port()
    load.pin(stage.system.pid(f"{service}-api"), load.SERVER_CORE)
    command = [sys.executable, "-m", "tests.bench.bare", stage.mongodb_uri, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            if server.stdout.readline().strip() != "ready":
                raise RuntimeError("the bare server does not start")
            for name in WORKERS:
                stage.system.kill(name, signal.SIGSTOP)
            yield stage.system.targets[service], f"{HOST}:{port}"
        finally:
            server.kill()
            for name in WORKERS:
                stage.system.kill(name, signal.SIGCONT)
