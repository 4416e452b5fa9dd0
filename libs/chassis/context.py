"""Actor, tenant, command and cause of the present work, known everywhere without being passed around.

The RPC interceptors and the inbox enter a context; the store reads it. Code that runs outside of one (a script, a test)
enters one explicitly, and the store refuses to work without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Command:
    """The idempotency key of the mutating call being served."""

    key: str
    """`request_id` of the call."""
    fingerprint: bytes
    """SHA-256 of method and request without `request_id`: the same key with another fingerprint is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that a write records about its origin."""

    tenant: str
    actor: str
    """Subject of the bearer token, or `service:<name>` for a reaction."""
    acting_service: str = ""
    """`service:<name>` when a service makes the call on behalf of the actor."""
    client_certificate: str = ""
    """The name in the certificate that the client connected with. Empty where clients need none."""
    scopes: frozenset[str] = frozenset()
    command: Command | None = None
    causation_id: str = ""
    """Event that caused this work. Empty for a call."""
    correlation_id: str = ""
    """Shared by everything that one call set in motion."""


_current: ContextVar[Context | None] = ContextVar("kehu_context", default=None)


@contextmanager
def enter(context: Context) -> Iterator[Context]:
    """Work as `context` inside the block."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def current() -> Context:
    """The context of this work. RuntimeError outside of one, because nothing may touch data without a tenant."""
    context = _current.get()
    if context is None:
        raise RuntimeError("no context: enter one with libs.chassis.context.enter(Context(tenant=…, actor=…))")
    return context


@contextmanager
def uncommanded() -> Iterator[None]:
    """Steps inside belong to no command, because they stand by themselves and are harmless to repeat."""
    with enter(replace(current(), command=None)):
        yield
