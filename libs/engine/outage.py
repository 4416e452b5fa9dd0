"""Outages: errors that say a database, broker or network is away or busy, and not that we did something wrong."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from amqp import AMQPError
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

_PEER: Final = (AMQPError, ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror)
"""Errors that tell of a peer. A missing file, say, may be the affair of one call or event."""
_LABELS: Final = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
_REFUSED: Final = (13, 18)
"""Codes of MongoDB for a user that may not do this, or whose password is wrong: the next secret may cure it."""


def is_outage(error: BaseException) -> bool:
    """True for an error that will be over once the database, the broker or the network is well again.

    A statement that is wrong stays wrong, and is no outage.
    """
    if isinstance(error, PyMongoError):
        return (
            isinstance(error, ConnectionFailure)
            or error.timeout
            or any(map(error.has_error_label, _LABELS))
            or (isinstance(error, OperationFailure) and error.code in _REFUSED)
        )
    return isinstance(error, _PEER)
