"""Loading a file against a server that answers by script."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from kehu.interactions.v1.timeline_pb2 import ImportInteractionsResponse
from kehu.profiles.v1.customers_pb2 import ImportCustomersRequest, ImportCustomersResponse
from kehu.profiles.v1.transactions_pb2 import RecordTransactionsResponse

from libs.client import Client, PermissionDenied
from libs.command.imports import loading, targets
from libs.command.imports.mapping import parse
from libs.command.imports.progress import Counts
from tests.support.scripted import Script, refusal

FIELDS: dict[str, dict[str, Any]] = {
    "customers": {"kind": "PERSON", "display_name": {"column": "name"}},
    "transactions": {
        "source": "shop",
        "amount": {"column": "name", "money": "USD"},
        "customer_external_id": {"system": "shop", "id": {"column": "id"}},
    },
    "interactions": {"channel": "VOICE", "summary": {"column": "name"}},
}


@pytest.fixture
def load(client: Client, tmp_path: Path) -> Callable[..., Counts]:
    """Loads rows `id,name` and returns the counts."""

    def run(rows: list[str], entity: str = "customers", fields: dict[str, Any] | None = None, **options: Any) -> Counts:
        file = tmp_path / "rows.csv"
        file.write_text("\n".join(["id,name", *rows]) + "\n")
        mapping = parse({"entity": entity, "key": "k{id}", "fields": fields or FIELDS[entity]})
        target = targets.target(client, entity)
        return loading.load(file, mapping, target, tenant="t", reject_file=tmp_path / "rejects.csv", **options)

    return run


def accept(request: ImportCustomersRequest) -> ImportCustomersResponse:
    """Takes every row but those named `bad`, and knows those named `old`."""
    response = ImportCustomersResponse()
    for row in request.rows:
        outcome = response.outcomes.add()
        if row.customer.display_name == "bad":
            bad = error_details_pb2.BadRequest()
            bad.field_violations.add(field="customer.display_name", description="is bad")
            outcome.error.CopyFrom(refusal(grpc.StatusCode.INVALID_ARGUMENT, bad))
        else:
            outcome.created = row.customer.display_name != "old"
    return response


def rejects(folder: Path) -> list[list[str]]:
    with (folder / "rejects.csv").open(newline="") as file:
        return [line[:3] for line in list(csv.reader(file))[1:]]


def test_every_row_is_counted_once(load: Callable[..., Counts], script: Script, tmp_path: Path) -> None:
    script.answer_unary = accept  # type: ignore[assignment]
    rows = [f"{n},name" for n in range(1200)]
    rows[3], rows[700], rows[701] = "3,bad", "700,old", "701,a,b"
    assert load(rows) == Counts(rows=1200, accepted=1197, repeated=1, rejected=2)
    assert rejects(tmp_path) == [
        ["4", "customer.display_name", "customer.display_name: is bad"],
        ["702", "", "3 cells, but the header has 2 names"],
    ]
    assert sorted(len(request.rows) for request in script.requests) == [200, 499, 500]  # type: ignore[attr-defined]
    ids = {row.request_id for request in script.requests for row in request.rows}  # type: ignore[attr-defined]
    assert len(ids) == 1199


def test_rows_have_the_same_ids_every_time(load: Callable[..., Counts], script: Script) -> None:
    script.answer_unary = accept  # type: ignore[assignment]
    load(["1,a", "2,b"])
    load(["2,b"])
    first, second = script.requests
    assert first.rows[1].request_id == second.rows[0].request_id  # type: ignore[attr-defined]


def test_a_dry_run_sends_nothing_and_leaves_only_rejects(
    load: Callable[..., Counts], script: Script, tmp_path: Path
) -> None:
    fields = {"kind": {"column": "name", "values": {"P": "PERSON"}}}
    assert load(["1,P", "2,X"], fields=fields, dry_run=True) == Counts(rows=2, accepted=1, rejected=1)
    assert not script.requests
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rejects.csv", "rows.csv"]


def test_a_field_that_does_not_exist_refuses_its_row(
    load: Callable[..., Counts], script: Script, tmp_path: Path
) -> None:
    assert load(["1,a"], fields={"nmae": {"column": "name"}}).rejected == 1
    assert "Customer has no field 'nmae'" in rejects(tmp_path)[0][2]
    assert not script.requests


def test_a_refused_chunk_stops_the_load_and_the_next_one_goes_on(
    load: Callable[..., Counts], script: Script, tmp_path: Path
) -> None:
    rows = [f"{n},{n}" for n in range(3000)]

    def until_row_1000(request: ImportCustomersRequest) -> Any:
        if int(request.rows[0].customer.display_name) >= 1000:
            return refusal(grpc.StatusCode.PERMISSION_DENIED)
        return accept(request)

    script.answer_unary = until_row_1000  # type: ignore[assignment]
    with pytest.raises(PermissionDenied):
        load(rows)
    assert (tmp_path / "rejects.progress").exists()
    script.answer_unary = accept  # type: ignore[assignment]
    assert load(rows) == Counts(rows=3000, accepted=3000)
    assert not (tmp_path / "rejects.progress").exists()


def test_no_more_chunks_are_on_their_way_than_allowed(load: Callable[..., Counts], script: Script) -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def slow(request: ImportCustomersRequest) -> ImportCustomersResponse:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.02)
        with lock:
            at_once -= 1
        return accept(request)

    script.answer_unary = slow  # type: ignore[assignment]
    load([f"{n},name" for n in range(10_000)])
    assert 1 < most <= targets.IN_FLIGHT


def test_transactions_carry_key_and_customer(load: Callable[..., Counts], script: Script) -> None:
    def take(request: Any) -> RecordTransactionsResponse:
        response = RecordTransactionsResponse()
        for _ in request.rows:
            response.outcomes.add(created=True)
        return response

    script.chunks = take
    assert load([f"{n},1.50" for n in range(600)], "transactions") == Counts(rows=600, accepted=600)
    row = script.requests[0].rows[7]  # type: ignore[attr-defined]
    assert (row.transaction.source_key, row.transaction.amount.minor_units) == ("k7", 150)
    assert (row.customer_external_id.system, row.customer_external_id.id) == ("shop", "7")


def test_interactions_carry_their_key(load: Callable[..., Counts], script: Script) -> None:
    response = ImportInteractionsResponse()
    response.outcomes.add(created=True)
    script.answers["ImportInteractions"] = [response]
    assert load(["1,hello"], "interactions") == Counts(rows=1, accepted=1)
    sent = script.requests[0].interactions[0]  # type: ignore[attr-defined]
    assert (sent.external_key, sent.summary) == ("k1", "hello")


def test_a_chunk_in_which_every_row_is_refused_is_counted_in_its_place(
    load: Callable[..., Counts], script: Script
) -> None:
    script.answer_unary = accept  # type: ignore[assignment]
    rows = [f"{n},name" for n in range(500)] + [f"{n},a,b" for n in range(500)] + ["9999,name"] + ["x,y,z"] * 600
    seen: list[int] = []
    counts = load(rows, advanced=lambda counts: seen.append(counts.rows))
    assert counts == Counts(rows=1601, accepted=501, rejected=1100)
    assert seen == [500, 1000, 1500, 1601]
