"""The proof of consent: a chain of receipts is recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.profiles.customers.domain.consents import ConsentHead, ConsentReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCheck:
    """The finding of a recomputation of a chain."""

    intact: bool
    checked_count: int
    broken_sequence: int = 0
    """The first receipt that is wrong or missing. 0 when intact."""
    explanation: str = ""


def check_chain(
    head: ConsentHead, customer_id: str, receipts: Iterable[ConsentReceipt], *, erased: bool = False
) -> ChainCheck:
    """Recompute the chain of a customer from its receipts in ascending sequence. Of an `erased` customer no receipt
    tells its contact point any more."""
    previous, count = "", 0
    for receipt in receipts:
        wrong = "".join(_faults(receipt, customer_id, count + 1, previous))
        if not wrong and not erased and receipt.contact_point_digest != receipt.computed_digest():
            wrong = "the contact point was changed: it no longer gives its digest"
        if wrong:
            return ChainCheck(intact=False, checked_count=count + 1, broken_sequence=count + 1, explanation=wrong)
        previous, count = receipt.hash, count + 1
    if (count, previous) == (head.count, head.hash):
        return ChainCheck(intact=True, checked_count=count)
    return ChainCheck(
        intact=False,
        checked_count=count,
        broken_sequence=count if count == head.count else min(count, head.count) + 1,
        explanation=f"the chain ends with receipt {count}, {previous!r}; the customer has {head.count}, {head.hash!r}",
    )


def _faults(receipt: ConsentReceipt, customer_id: str, sequence: int, previous: str) -> Iterator[str]:
    if receipt.sequence != sequence:
        yield f"receipt {sequence} is missing; {receipt.sequence} follows"
    elif receipt.customer_id != customer_id:
        yield f"belongs to {receipt.customer_id}"
    elif receipt.hash != receipt.computed_hash():
        yield "the content was changed: it no longer gives its hash"
    elif receipt.previous_hash != previous:
        yield "it does not follow the receipt before it"
