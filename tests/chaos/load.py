"""Callers who never give up: they create and change customers and record contacts, several on the same customer."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from libs.client import Client, Conflict, KehuError, Retry
from libs.client.errors import DeadlineExceeded, RateLimited, Unavailable
from tests.chaos.ledger import Ack, Kind, Ledger
from tests.support.stack import System

PATIENT = Retry(attempts=1000, reserve=1000.0, share=10.0, longest_pause=0.5)
"""There is one process of each kind, so a restart refuses every call for a moment: a real client has other replicas."""
CALL_TIMEOUT = 20.0
FINISH_WITHIN = 40.0
"""Seconds after the end of the load in which calls that were begun may still be answered."""


class Load:
    """Callers on threads of their own, for the life of the block."""

    def __init__(
        self, system: System, tenant: str, ledger: Ledger, *, seed: int, callers: int = 4, retry: Retry = PATIENT
    ) -> None:
        self._system, self._tenant, self._ledger, self._seed, self._retry = system, tenant, ledger, seed, retry
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._customers: list[str] = []
        self._threads = [
            threading.Thread(target=self._call_on_and_on, args=(n,), name=f"caller {n}") for n in range(callers)
        ]
        self._give_up_at = float("inf")
        self.failed: list[str] = []
        """Calls that failed although the client sent them again: each was then tried anew with the same id."""
        self.refused: list[str] = []
        """Answers that no fault excuses."""
        self.waits: list[float] = []
        """Seconds that each answered call took."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._give_up_at = time.monotonic() + FINISH_WITHIN
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def longest_wait(self) -> float:
        """Seconds that the slowest call took."""
        return max(self.waits, default=0.0)

    def wait_for(self, answers: int, seconds: float = 60) -> None:
        """Returns when so many calls were answered."""
        deadline = time.monotonic() + seconds
        while len(self._ledger.acks) < answers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._ledger.acks)} of {answers} calls answered; failed: {self.failed[-3:]}")
            time.sleep(0.05)

    def _call_on_and_on(self, number: int) -> None:
        choose = random.Random(self._seed * 1000 + number)
        with self._system.client(self._tenant, timeout=CALL_TIMEOUT, retry=self._retry) as client:
            while not self._stop.is_set():
                with self._lock:
                    known = list(self._customers)
                dice = choose.random()
                if not known or dice < 0.1:
                    self._call(client, "create", "")
                else:
                    self._call(client, "update" if dice < 0.6 else "ingest", choose.choice(known[-40:]))

    def _call(self, client: Client, kind: Kind, customer_id: str) -> None:
        value = uuid.uuid4().hex
        self._ledger.intend(value, kind)
        begun = time.monotonic()
        while time.monotonic() < self._give_up_at:
            try:
                entity = _CALLS[kind](client, customer_id, value)
            except (Unavailable, DeadlineExceeded, RateLimited, Conflict) as error:
                self.failed.append(f"{kind}: {error.code.name} {error}")
            except KehuError as error:
                self.refused.append(f"{kind}: {error.code.name} {error.reason} {error}")
                return
            else:
                self._ledger.acknowledge(Ack(value, kind, entity.id, entity.revision))
                self.waits.append(time.monotonic() - begun)
                if kind == "create":
                    with self._lock:
                        self._customers.append(entity.id)
                return


def _create(client: Client, _: str, value: str) -> Any:
    customer = {"kind": "PERSON", "display_name": value}
    return client.profiles.create_customer(customer=customer, request_id=str(uuid.UUID(value)))


def _update(client: Client, customer_id: str, value: str) -> Any:
    return client.profiles.update_customer(
        customer={"id": customer_id, "display_name": value},
        update_mask={"paths": ["display_name"]},
        request_id=str(uuid.UUID(value)),
    )


def _ingest(client: Client, customer_id: str, value: str) -> Any:
    interaction = {
        "customer_id": customer_id,
        "channel": "VOICE",
        "direction": "INBOUND",
        "purpose": "INQUIRY",
        "occurred_time": datetime.now(UTC),
        "external_key": value,
    }
    return client.interactions.ingest_interaction(interaction=interaction, request_id=str(uuid.UUID(value)))


_CALLS: dict[Kind, Callable[[Client, str, str], Any]] = {"create": _create, "update": _update, "ingest": _ingest}
