"""Destinations of rows: the bulk calls, their messages and the field that carries a row's key."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from google.protobuf.message import Message
from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.interactions.v1.cases_pb2 import ImportCasesRequest
from kehu.interactions.v1.complaints_pb2 import ImportComplaintsRequest
from kehu.interactions.v1.timeline_pb2 import Interaction
from kehu.opportunities.v1.deals_pb2 import ImportDealsRequest
from kehu.opportunities.v1.leads_pb2 import ImportLeadsRequest
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.customers_pb2 import ImportCustomersRequest
from kehu.profiles.v1.transactions_pb2 import RecordTransactionsRequest
from kehu.surveys.v1.collection_pb2 import PastResponse

from libs.client.client import Client
from libs.client.values import fill
from libs.command.imports.loading import Chunk
from libs.command.imports.mapping import CellError, RowMapping
from libs.command.imports.rows import Row

IN_FLIGHT = 4
"""Chunks on their way at once: more than the cores of one server gain nothing."""

Fields = dict[str, Any]
Outcomes = Sequence[RowOutcome]


class Rows:
    """Converts rows with a mapping and sends them with one of the bulk calls."""

    def __init__(
        self,
        build: Callable[[Row, Fields], Message],
        send: Callable[[Iterator[Sequence[Message]]], Iterator[Outcomes]],
    ) -> None:
        self._build = build
        self._send = send

    def prepare(self, rows: Sequence[Row], mapping: RowMapping) -> Chunk:
        """Converts each row, or tells why it cannot be."""
        messages: list[Message | None] = []
        refused: list[CellError | None] = []
        for row in rows:
            message: Message | None = None
            refusal = CellError("", row.problem) if row.problem else None
            try:
                message = None if row.problem else self._build(row, mapping.convert(row.cells))
            except CellError as error:
                refusal = error
            except (TypeError, ValueError) as error:  # a field that the message lacks, or a value that it cannot hold
                refusal = CellError("", str(error))
            messages.append(message)
            refused.append(refusal)
        return Chunk(rows, messages, refused)

    def deliver(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Outcomes]]:
        """Sends what could be converted, several chunks at once, and yields outcomes in order."""
        waiting: deque[Chunk] = deque()

        def sendable() -> Iterator[Sequence[Message]]:
            for chunk in chunks:
                waiting.append(chunk)
                messages = [message for message in chunk.messages if message is not None]
                if messages:
                    yield messages

        for outcomes in self._send(sendable()):
            yield from _without_messages(waiting)
            yield waiting.popleft(), outcomes
        yield from _without_messages(waiting)


def _without_messages(waiting: deque[Chunk]) -> Iterator[tuple[Chunk, Outcomes]]:
    """Chunks at the front of which every row was refused already, so that nothing was sent."""
    while waiting and all(message is None for message in waiting[0].messages):
        yield waiting.popleft(), ()


def target(client: Client, entity: str) -> Rows:
    """Returns the destination of rows of one of the entities that a mapping may name."""
    known = {
        "customers": _customers,
        "transactions": _transactions,
        "interactions": _interactions,
        "cases": _cases,
        "complaints": _complaints,
        "deals": _deals,
        "leads": _leads,
        "responses": _responses,
    }
    return known[entity](client)


def _customers(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        return ImportCustomersRequest.Row(request_id=row.request_id, customer=fill(Customer(), fields))

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            return client.profiles.import_customers(rows=rows).outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _transactions(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        message = RecordTransactionsRequest.Row()
        if "customer_external_id" in fields:
            fill(message, {"customer_external_id": fields.pop("customer_external_id")})
        fill(message.transaction, {"source_key": row.key, **fields})
        return message

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        for response in client.profiles.record_transactions({"rows": rows} for rows in parts):
            yield response.outcomes

    return Rows(build, send)


def _interactions(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        return fill(Interaction(), {"external_key": row.key, **fields})

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            answer = client.interactions.import_interactions(interactions=rows)
            return answer.outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _cases(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        return fill(ImportCasesRequest.Row(), {"source_key": row.key, **fields})

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            return client.interactions.import_cases(rows=rows).outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _complaints(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        return fill(ImportComplaintsRequest.Row(), {"source_key": row.key, **fields})

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            return client.interactions.import_complaints(rows=rows).outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _deals(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        return fill(ImportDealsRequest.Row(), {"source_key": row.key, **fields})

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            return client.opportunities.import_deals(rows=rows).outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _leads(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        message = fill(ImportLeadsRequest.Row(), fields)
        message.lead.source_key = row.key
        return message

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            return client.opportunities.import_leads(rows=rows).outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _responses(client: Client) -> Rows:
    def build(row: Row, fields: Fields) -> Message:
        return fill(PastResponse(), {"source_key": row.key, **fields})

    def send(parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
        def call(rows: Sequence[Message]) -> Outcomes:
            return client.surveys.import_responses(rows=rows).outcomes  # type: ignore[no-any-return]

        return _several(call, parts)

    return Rows(build, send)


def _several(call: Callable[[Sequence[Message]], Outcomes], parts: Iterator[Sequence[Message]]) -> Iterator[Outcomes]:
    """Calls for several parts at once, never reading further ahead than that, and yields answers in order."""
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        answers: deque[Future[Outcomes]] = deque()
        try:
            for part in parts:
                answers.append(threads.submit(call, part))
                if len(answers) == IN_FLIGHT:
                    yield answers.popleft().result()
            while answers:
                yield answers.popleft().result()
        finally:
            for answer in answers:
                answer.cancel()
