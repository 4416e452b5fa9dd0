"""The Python client of Kehu: `Client`, its errors, and conversions between Python and protobuf values.

from libs.client import Client

with Client(token=token) as client:
    customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "王小明"})
    for interaction in client.interactions.list_timeline(customer_id=customer.id):
        print(interaction.summary)
"""

from __future__ import annotations

from libs.client.client import Client
from libs.client.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    FieldErrors,
    InvalidArgument,
    KehuError,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    RateLimited,
    ServerFault,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from libs.client.retry import Retry
from libs.client.values import from_date, from_money, from_timestamp, to_date, to_money, to_timestamp

__all__ = [
    "AlreadyExists",
    "Client",
    "Conflict",
    "DeadlineExceeded",
    "FieldErrors",
    "InvalidArgument",
    "KehuError",
    "NotFound",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "Retry",
    "ServerFault",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "from_date",
    "from_money",
    "from_timestamp",
    "to_date",
    "to_money",
    "to_timestamp",
]
