"""The client against a server that answers by script."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.rpc import error_details_pb2
from kehu.interactions.v1.context_pb2 import WatchTimelineResponse
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.customers_pb2 import GetCustomerRequest, ListCustomersResponse
from kehu.profiles.v1.transactions_pb2 import RecordTransactionsRequest, RecordTransactionsResponse

from libs.client import (
    Client,
    Conflict,
    DeadlineExceeded,
    FieldErrors,
    KehuError,
    NotFound,
    RateLimited,
    Retry,
    ServerFault,
    TooLarge,
    Unavailable,
)
from libs.client.errors import from_rpc
from tests.support.scripted import Script, refusal, retry_info

UNAVAILABLE = refusal(grpc.StatusCode.UNAVAILABLE)


def test_methods_take_fields_or_the_request_and_return_the_message(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [Customer(id="cus_1")]
    assert client.profiles.get_customer(customer_id="cus_1") == Customer(id="cus_1")
    assert client.profiles.get_customer(GetCustomerRequest(customer_id="cus_2")).id == "cus_1"
    assert [request.customer_id for request in script.requests] == ["cus_1", "cus_2"]  # type: ignore[attr-defined]
    assert script.metadata[0]["authorization"] == "Bearer t0ken"


def test_every_rpc_of_the_protos_is_there(client: Client) -> None:
    assert {"create_customer", "search_customers", "edit_customer", "update"} <= set(dir(client.profiles))
    assert {"ingest_interaction", "watch_timeline", "edit_calendar"} <= set(dir(client.interactions))
    with pytest.raises(AttributeError, match="has no method 'get_custmer'; it has get_customer"):
        client.profiles.get_custmer  # noqa: B018
    with pytest.raises(TypeError, match="has no field 'id'; it has customer_id"):
        client.profiles.get_customer(id="cus_1")


def test_a_mutating_call_gets_a_request_id_and_keeps_it_across_retries(client: Client, script: Script) -> None:
    script.answers["CreateCustomer"] = [UNAVAILABLE, UNAVAILABLE, Customer(id="cus_1")]
    client.profiles.create_customer(customer={"kind": "PERSON"})
    client.profiles.create_customer(customer={"kind": "PERSON"})
    first, second, third, other = (request.request_id for request in script.requests)  # type: ignore[attr-defined]
    assert first == second == third != other
    assert str(uuid.UUID(first)) == first == script.metadata[0]["x-request-id"] == script.metadata[2]["x-request-id"]
    assert [sent.get("x-previous-attempts") for sent in script.metadata] == [None, "1", "2", None]


def test_a_given_request_id_is_used(client: Client, script: Script) -> None:
    script.answers["CreateCustomer"] = [Customer()]
    client.profiles.create_customer(customer={"kind": "PERSON"}, request_id="mine")
    assert script.requests[0].request_id == "mine"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED],
)
def test_other_refusals_are_not_sent_again(client: Client, script: Script, code: grpc.StatusCode) -> None:
    script.answers["GetCustomer"] = [refusal(code)]
    with pytest.raises(KehuError):
        client.profiles.get_customer(customer_id="cus_1")
    assert len(script.requests) == 1


def test_the_pause_that_the_server_asks_for_is_kept(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_info(0.3)), Customer(id="cus_1")]
    started = time.monotonic()
    assert client.profiles.get_customer(customer_id="cus_1").id == "cus_1"
    assert time.monotonic() - started >= 0.3


def test_a_message_that_is_too_large_is_not_sent_again(client: Client, script: Script) -> None:
    text = "SERVER: Received message larger than max (1048577 vs. 1048576)"
    script.answers["GetCustomer"] = [refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message=text)]
    with pytest.raises(TooLarge):
        client.profiles.get_customer(customer_id="cus_1")
    assert len(script.requests) == 1


def test_no_call_goes_past_its_deadline(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_info(5))]
    started = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        client.profiles.get_customer(customer_id="cus_1", timeout=0.5)
    assert time.monotonic() - started < 0.5
    assert caught.value.retry_after == timedelta(seconds=5)


def test_retries_stay_below_a_tenth_of_the_calls(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [UNAVAILABLE]
    calls = 100
    for _ in range(calls):
        with pytest.raises(Unavailable):
            client.profiles.get_customer(customer_id="cus_1")
    reserve, earned = Retry().reserve, Retry().share * calls
    assert len(script.requests) - calls <= reserve + earned


def test_a_call_waits_for_a_server_that_comes_back() -> None:
    with Client(
        {"profiles": "127.0.0.1:1", "interactions": "127.0.0.1:1"},
        token="t",
        timeout=0.5,
        retry=Retry(first_pause=0.01),
    ) as client:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            client.profiles.get_customer(customer_id="cus_1")
        assert 0.4 < time.monotonic() - started < 1.5


def test_errors_carry_what_the_server_said(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [
        refusal(
            grpc.StatusCode.NOT_FOUND,
            error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="kehu", metadata={"id": "cus_9"}),
            message="customer 'cus_9' does not exist",
        )
    ]
    with pytest.raises(NotFound, match="'cus_9' does not exist") as caught:
        client.profiles.get_customer(customer_id="cus_9")
    error = caught.value
    assert (error.code, error.reason, error.metadata) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", {"id": "cus_9"})
    assert error.method.endswith("/GetCustomer")
    assert error.request_id == script.metadata[0]["x-request-id"]


def test_field_errors_name_every_field(client: Client, script: Script) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="customer.kind", description="is required", reason="required")
    bad.field_violations.add(field="customer.owner", description="is too long")
    script.answers["CreateCustomer"] = [refusal(grpc.StatusCode.INVALID_ARGUMENT, bad)]
    with pytest.raises(FieldErrors) as caught:
        client.profiles.create_customer(customer={})
    assert [error.path for error in caught.value.fields] == ["customer.kind", "customer.owner"]
    assert str(caught.value) == "customer.kind: is required; customer.owner: is too long"


class _CutShort(grpc.RpcError):
    """What grpc raises when a proxy has cut the details."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INTERNAL

    def details(self) -> str:
        return "defect"

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return (("grpc-status-details-bin", b"\x0a\xff"),)


def test_details_that_do_not_parse_leave_code_and_message() -> None:
    error = from_rpc(_CutShort(), request_id="mine")
    assert isinstance(error, ServerFault)
    assert (error.message, error.request_id, error.fields) == ("defect", "mine", ())


def test_a_list_walks_all_pages_and_can_be_walked_again(client: Client, script: Script) -> None:
    pages = [
        ListCustomersResponse(customers=[Customer(id="cus_1"), Customer(id="cus_2")], next_page_token="two"),
        ListCustomersResponse(next_page_token="three"),
        ListCustomersResponse(customers=[Customer(id="cus_3")]),
    ]
    script.answers["ListCustomers"] = [*pages, *pages]
    customers = client.profiles.list_customers(filter="lifecycle = ACTIVE")
    assert [customer.id for customer in customers] == ["cus_1", "cus_2", "cus_3"]
    assert [len(page.customers) for page in customers.pages] == [2, 0, 1]
    assert [r.page_token for r in script.requests] == ["", "two", "three"] * 2  # type: ignore[attr-defined]
    assert {r.filter for r in script.requests} == {"lifecycle = ACTIVE"}  # type: ignore[attr-defined]


def test_update_sends_the_fields_and_the_revision(client: Client, script: Script) -> None:
    script.answers["UpdateCustomer"] = [Customer(id="cus_1", revision=8)]
    client.profiles.update(Customer(id="cus_1", revision=7, owner="ada"), fields=["owner"])
    request = script.requests[0]
    assert (list(request.update_mask.paths), request.revision) == (["owner"], 7)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot update a Customer"):
        client.interactions.update(Customer(), fields=["owner"])


def test_edit_starts_again_when_somebody_was_faster(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [Customer(id="cus_1", revision=1), Customer(id="cus_1", revision=2, owner="bob")]
    script.answers["UpdateCustomer"] = [refusal(grpc.StatusCode.ABORTED), Customer(id="cus_1", revision=3)]

    def rename(customer: Customer) -> None:
        customer.display_name = "Ada"
        customer.preferences.SetInParent()

    assert client.profiles.edit_customer("cus_1", rename).revision == 3
    update = script.requests[-1]
    assert update.revision == 2  # type: ignore[attr-defined]
    assert list(update.update_mask.paths) == ["display_name", "preferences"]  # type: ignore[attr-defined]


def test_edit_without_a_difference_writes_nothing(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [Customer(id="cus_1")]
    assert client.profiles.edit_customer("cus_1", lambda customer: None).id == "cus_1"
    assert len(script.requests) == 1


def test_edit_gives_up_on_a_busy_entity(client: Client, script: Script) -> None:
    script.answers["GetCustomer"] = [Customer(id="cus_1", revision=1)]
    script.answers["UpdateCustomer"] = [refusal(grpc.StatusCode.ABORTED)]
    with pytest.raises(Conflict):
        client.profiles.edit_customer("cus_1", lambda customer: setattr(customer, "owner", "ada"))


def test_a_watch_goes_on_after_the_last_message_when_the_server_ends_or_breaks(client: Client, script: Script) -> None:
    script.answers["WatchTimeline"] = [
        [WatchTimelineResponse(cursor="1"), WatchTimelineResponse(cursor="2")],
        [WatchTimelineResponse(cursor="3"), UNAVAILABLE],
        [WatchTimelineResponse(cursor="4"), refusal(grpc.StatusCode.PERMISSION_DENIED)],
    ]
    watch = client.interactions.watch_timeline(customer_id="cus_1")
    assert [next(watch).cursor for _ in range(4)] == ["1", "2", "3", "4"]
    with pytest.raises(KehuError):
        next(watch)
    assert [request.cursor for request in script.requests] == ["", "2", "3"]  # type: ignore[attr-defined]


def chunk(number: int) -> RecordTransactionsRequest:
    request = RecordTransactionsRequest()
    request.rows.add().transaction.source_key = str(number)
    return request


def answer(request: RecordTransactionsRequest) -> RecordTransactionsResponse:
    response = RecordTransactionsResponse()
    response.outcomes.add(id=request.rows[0].transaction.source_key)
    return response


@pytest.mark.parametrize("failure", [UNAVAILABLE, None])
def test_a_chunk_stream_that_breaks_sends_again_what_was_not_answered(
    client: Client, script: Script, failure: object
) -> None:
    broken = {"5", "11"}

    def chunks(request: RecordTransactionsRequest) -> object:
        key = request.rows[0].transaction.source_key
        if key in broken:
            broken.remove(key)
            return failure
        return answer(request)

    script.chunks = chunks  # type: ignore[assignment]
    answers = client.profiles.record_transactions(chunk(number) for number in range(20))
    assert [response.outcomes[0].id for response in answers] == [str(number) for number in range(20)]


def test_a_chunk_stream_reads_ahead_no_further_than_its_window(client: Client, script: Script) -> None:
    script.chunks = answer  # type: ignore[assignment]
    taken = []

    def source() -> object:
        for number in range(50):
            taken.append(number)
            yield chunk(number)

    responses = client.profiles.record_transactions(source())
    next(responses)
    assert len(taken) <= 8
    assert len(list(responses)) == 49


def test_a_chunk_stream_that_is_refused_tells_why(client: Client, script: Script) -> None:
    script.chunks = lambda request: refusal(grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(KehuError) as caught:
        list(client.profiles.record_transactions([chunk(1)]))
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


def test_a_chunk_without_an_answer_in_time_ends_the_stream(client: Client, script: Script) -> None:
    def slow(request: RecordTransactionsRequest) -> RecordTransactionsResponse:
        time.sleep(1)
        return answer(request)

    script.chunks = slow  # type: ignore[assignment]
    with Client(client.targets, token="t", timeout=0.2) as impatient, pytest.raises(DeadlineExceeded):
        list(impatient.profiles.record_transactions([chunk(1)]))


def test_a_try_that_is_never_answered_leaves_time_for_another(client: Client, script: Script) -> None:
    asked: list[float] = []

    def answer_the_second(_request: object) -> Customer:
        asked.append(time.monotonic())
        if len(asked) == 1:
            time.sleep(2.5)
        return Customer(id="cus_1")

    script.answer_unary = answer_the_second
    with Client(client.targets, token="t", timeout=3) as patient:
        assert patient.profiles.get_customer(customer_id="cus_1").id == "cus_1"
    assert len(asked) == 2


def test_times_are_sent_as_timestamps(client: Client, script: Script) -> None:
    script.answers["IngestInteraction"] = [WatchTimelineResponse().interaction]
    at = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    client.interactions.ingest_interaction(interaction={"channel": "VOICE", "occurred_time": at})
    assert script.requests[0].interaction.occurred_time.ToDatetime(tzinfo=UTC) == at  # type: ignore[attr-defined]
