"""gRPC, the only place that knows it: the server and its chain of stages, statuses, and channels for clients.

What services use: `still_open(seconds)` in a servicer that streams, `remaining()` before a call to someone else,
`status_of(error)` for one row of a bulk answer, and `gather(parts, seconds)` for an answer of several reads. Names load
when they are first used, so that a client does not load the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.chassis.rpc.channel import connect as connect
    from libs.chassis.rpc.deadline import remaining as remaining
    from libs.chassis.rpc.errors import status_of as status_of
    from libs.chassis.rpc.parts import Part as Part
    from libs.chassis.rpc.parts import gather as gather
    from libs.chassis.rpc.server import Server as Server
    from libs.chassis.rpc.streams import still_open as still_open

_HOMES = {
    "Part": "parts",
    "Server": "server",
    "connect": "channel",
    "gather": "parts",
    "remaining": "deadline",
    "status_of": "errors",
    "still_open": "streams",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
