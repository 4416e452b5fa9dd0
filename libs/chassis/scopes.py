"""Scopes: what an access token allows, and the scope that each method asks for.

A scope of an access token may end in a wildcard: `profiles.*` covers `profiles.customers.read`, `*` covers everything.
Methods declare what they ask for in the protos, `option (kehu.common.v1.access) = {scope: "profiles.customers.read"}`.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import MethodDescriptor
from kehu.common.v1 import options_pb2

from libs.chassis.domain import PermissionDenied


class ScopeMissing(PermissionDenied):
    """The access token lacks the scope {scope}."""

    scope: str


def covers(granted: Iterable[str], scope: str) -> bool:
    """True when one of the granted scopes is `scope` or a wildcard above it."""
    return any(held in (scope, "*") or (held.endswith(".*") and scope.startswith(held[:-1])) for held in granted)


def scope_of(method: MethodDescriptor, service: str = "") -> str:
    """The scope that a method asks for, as served by `service`. LookupError when its proto does not say."""
    scope: str = method.GetOptions().Extensions[options_pb2.access].scope.replace("{service}", service)
    if not scope:
        raise LookupError(
            f"{method.full_name} does not say who may call it; add "
            'option (kehu.common.v1.access) = {scope: "<service>.<resources>.<read or write>"} to it'
        )
    return scope
