"""Stage 2, authenticate: a verified bearer token with the scope that the method asks for."""

from __future__ import annotations

from libs.chassis.scopes import ScopeMissing
from libs.engine.access import Unauthenticated, Verifier
from libs.engine.rpc.call import Call

_SCHEME = "bearer "


def knows(call: Call, verifier: Verifier) -> bool:
    """Says that `check` has nothing to compute: no bearer token came, or one that was verified before."""
    scheme, token = call.token[: len(_SCHEME)], call.token[len(_SCHEME) :]
    return scheme.lower() != _SCHEME or verifier.knows(token)


def check(call: Call, verifier: Verifier) -> None:
    """Sets the principal of the call, or raises Unauthenticated or PermissionDenied."""
    if call.token[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated("send the metadata `authorization: Bearer <token>`")
    call.principal = verifier.verify(call.token[len(_SCHEME) :])
    if not call.principal.may(call.method.scope):
        raise ScopeMissing(scope=call.method.scope)
