"""Erasure: every service answers for what it held, and once all have, nothing personal can be read any more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from libs.registry import ERASURE_PARTICIPANTS
from services.profiles.customers.domain.customers import Customer

SERVICE = "profiles"
OTHERS = tuple(service for service in ERASURE_PARTICIPANTS if service != SERVICE)
"""The services beside this one that hold something about customers. Each of them has to answer."""
WITHIN = timedelta(hours=24)
"""Time that an erasure may take."""


class ErasureState(OpenEnum):
    """Progress of an erasure."""

    REQUESTED = "REQUESTED"
    ERASED = "ERASED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Records of one kind."""

    kind: str
    count: int
    reason: str = ""
    """Reason why they were kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """Records of a customer that one service erased, and those that it kept."""

    service: str
    erase_time: datetime
    erased: tuple[Records, ...] = ()
    kept: tuple[Records, ...] = ()
    destroyed_keys: int = 0
    digest: str = ""

    @classmethod
    def of(
        cls,
        at: datetime,
        erased: Mapping[str, Sequence[Entity]],
        kept: Sequence[Records],
        destroyed_keys: int,
    ) -> ErasureReceipt:
        """The receipt of this service for what it erased, by collection."""
        digest = hashlib.sha256()
        for entities in erased.values():
            for each in entities:
                digest.update(f"{each.id}:{each.revision}\n".encode())
        return cls(
            service=SERVICE,
            erase_time=at,
            erased=tuple(
                Records(kind=kind.replace("_", " "), count=len(entities))
                for kind, entities in erased.items()
                if entities
            ),
            kept=tuple(each for each in kept if each.count),
            destroyed_keys=destroyed_keys,
            digest=digest.hexdigest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure(Entity):
    """The erasure of one customer."""

    ID_PREFIX: ClassVar[str] = "era"

    customer_id: str
    state: ErasureState = ErasureState.REQUESTED
    reason: str
    requester: str
    due_time: datetime
    erase_time: datetime | None = None
    receipts: tuple[ErasureReceipt, ...] = ()
    awaited_services: tuple[str, ...] = OTHERS
    certificate: str = ""
    ready: bool = False
    """True when the others have answered and this service is to finish."""

    def take_receipt(self, receipt: ErasureReceipt) -> Change[Erasure]:
        """With the receipt of another service. Nothing changes when it is there already."""
        if receipt.service not in self.awaited_services:
            return self, []
        awaited = tuple(service for service in self.awaited_services if service != receipt.service)
        receipts = sorted((*self.receipts, receipt), key=lambda each: each.service)
        return replace(self, receipts=tuple(receipts), awaited_services=awaited, ready=not awaited), []

    def finished(self, own: ErasureReceipt, at: datetime) -> Erasure:
        """At its end, with the certificate and without the reason, which may tell of the person."""
        receipts = tuple(sorted((*self.receipts, own), key=lambda each: each.service))
        done = replace(self, state=ErasureState.ERASED, reason="", erase_time=at, receipts=receipts, ready=False)
        return replace(done, certificate=done.computed_certificate())

    def computed_certificate(self) -> str:
        """SHA-256 over customer, times and receipts."""
        content = {
            "customer_id": self.customer_id,
            "requester": self.requester,
            "erase_time": self.erase_time,
            "receipts": [
                {
                    "service": receipt.service,
                    "erase_time": receipt.erase_time,
                    "erased": {each.kind: each.count for each in receipt.erased},
                    "kept": {each.kind: each.count for each in receipt.kept},
                    "destroyed_keys": receipt.destroyed_keys,
                    "digest": receipt.digest,
                }
                for receipt in self.receipts
            ],
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=datetime.isoformat)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerErasureRequested(Event):
    """The erasure of a customer was requested."""

    customer_id: str
    erasure_id: str
    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerErased(Event):
    """A customer was erased everywhere."""

    customer: Customer
    erasure: Erasure
