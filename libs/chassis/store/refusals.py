"""What a collection refuses: queries that no index serves, and keys that were used before for something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from libs.chassis.domain import AlreadyExists, FailedPrecondition, InvalidArgument
from libs.chassis.filtering import AnyOf, Compare, Condition, Element, conjuncts, not_indexed
from libs.chassis.store.declaration import Index


class TooManyEvents(FailedPrecondition):
    """One change of {entity_id} has {events} events of {bytes} bytes: do it in smaller steps; an entity holds at most
    {allowed_events} events of {allowed_bytes} bytes."""

    entity_id: str
    events: int
    allowed_events: int
    bytes: int
    allowed_bytes: int


class TransactionTooLarge(FailedPrecondition):
    """One change would write {documents} documents at once; allowed are {allowed}."""

    documents: int
    allowed: int


def require_index(indexes: Iterable[Index], where: Condition | None, order: str | Sequence[str]) -> None:
    """Refuse a query that would have to read every document of the tenant."""
    leading = {index.keys[0].lstrip("-") for index in indexes if not index.every_tenant} | {"_id"}
    if where is not None:
        for part in conjuncts(where):
            arms = part.parts if isinstance(part, AnyOf) else (part,)
            if all(_is_served(arm, leading) for arm in arms):
                return
    keys = [order] if isinstance(order, str) else list(order)
    lead = (keys[0] if keys and keys[0] else "_id").lstrip("-")
    if lead not in leading:
        raise not_indexed(lead, sorted(leading - {"_id"}))


def _is_served(part: Condition, leading: set[str]) -> bool:
    if isinstance(part, Element):
        return any(
            isinstance(inner, Compare) and f"{part.path}.{inner.path}" in leading for inner in conjuncts(part.condition)
        )
    return any(
        isinstance(inner, Compare) and inner.operator not in ("!=", "missing") and inner.path in leading
        for inner in conjuncts(part)
    )


def request_id_reused(key: str) -> InvalidArgument:
    """The refusal of a command whose key came with another request before."""
    refusal = InvalidArgument.field(
        "request_id", f"{key!r} was used before for another request", reason="REQUEST_ID_REUSED"
    )
    return InvalidArgument(violations=refusal.violations, reason="REQUEST_ID_REUSED", request_id=key)


def source_key_reused(key: str, id: str) -> AlreadyExists:
    """The refusal of an entity whose natural key came with other content before."""
    return AlreadyExists(
        f"{key!r} was recorded before with other content, as {id}", reason="SOURCE_KEY_REUSED", key=key, id=id
    )
