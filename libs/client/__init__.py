"""The Python client of Kehu: `Client`, its errors, and conversions between Python and protobuf values.

    from libs.client import Client

    with Client(token=token) as client:
        customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "王小明"})
        for interaction in client.interactions.list_interactions(customer_id=customer.id):
            print(interaction.summary)

Names load when they are first used: `kehu <service> worker` passes through this package and must not import grpc.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.client.client import Client as Client
    from libs.client.errors import AlreadyExists as AlreadyExists
    from libs.client.errors import Conflict as Conflict
    from libs.client.errors import DeadlineExceeded as DeadlineExceeded
    from libs.client.errors import FieldErrors as FieldErrors
    from libs.client.errors import InvalidArgument as InvalidArgument
    from libs.client.errors import KehuError as KehuError
    from libs.client.errors import NotFound as NotFound
    from libs.client.errors import PermissionDenied as PermissionDenied
    from libs.client.errors import PreconditionFailed as PreconditionFailed
    from libs.client.errors import RateLimited as RateLimited
    from libs.client.errors import ServerFault as ServerFault
    from libs.client.errors import Unauthenticated as Unauthenticated
    from libs.client.errors import Unavailable as Unavailable
    from libs.client.retry import Retry as Retry
    from libs.client.values import from_date as from_date
    from libs.client.values import from_money as from_money
    from libs.client.values import from_timestamp as from_timestamp
    from libs.client.values import to_date as to_date
    from libs.client.values import to_money as to_money
    from libs.client.values import to_timestamp as to_timestamp

_HOME = {
    "Client": "client",
    "Retry": "retry",
    **dict.fromkeys(
        [
            "AlreadyExists",
            "Conflict",
            "DeadlineExceeded",
            "FieldErrors",
            "InvalidArgument",
            "KehuError",
            "NotFound",
            "PermissionDenied",
            "PreconditionFailed",
            "RateLimited",
            "ServerFault",
            "Unauthenticated",
            "Unavailable",
        ],
        "errors",
    ),
    **dict.fromkeys(["from_date", "from_money", "from_timestamp", "to_date", "to_money", "to_timestamp"], "values"),
}

__all__ = sorted(_HOME)  # noqa: PLE0605  (a list of names, spelt once)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
