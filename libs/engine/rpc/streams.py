"""Streaming calls: each has a thread of the stream pool, ends at once when the server drains, and knows when to stop.

A servicer that waits asks `libs.chassis.serving.still_open(seconds)` instead of sleeping.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc
from google.rpc import status_pb2

from libs.engine.rpc.call import Call
from libs.engine.rpc.errors import DETAILS_KEY, grpc_code

Send = Callable[[bytes | None], None]
"""Sends one response, or with None the status. It is what grpc hands to a handler that is
`experimental_non_blocking`."""


class Stream:
    """One open stream."""

    def __init__(self, call: Call, context: grpc.ServicerContext, send: Send) -> None:
        self._call = call
        self._context = context
        self._send = send
        self._ending = threading.Lock()
        self.over = threading.Event()
        """Set when nothing more can be sent: the caller went away, the server drains, or all is said."""
        if not context.add_callback(self.over.set):
            self.over.set()

    def send(self, response: bytes) -> None:
        """Sends a response, waiting while the caller reads slowly."""
        self._send(response)

    def end(self, status: status_pb2.Status | None = None) -> None:
        """Ends the stream, with an error if `status` is given. Nothing happens when it is over already."""
        with self._ending:
            if self.over.is_set():
                return
            self.over.set()
            self._call.code = "OK"
            if status is not None:
                self._call.code = grpc_code(status).name
                self._context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
                self._context.set_code(grpc_code(status))
                self._context.set_details(status.message)
            self._send(None)


class OpenStreams:
    """The streams of one server."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._ended: status_pb2.Status | None = None
        self._changing = threading.Lock()

    def add(self, stream: Stream) -> None:
        """A stream begins. It ends at once when all were ended meanwhile."""
        with self._changing:
            self._streams.add(stream)
            ended = self._ended
        if ended is not None:
            stream.end(ended)

    def discard(self, stream: Stream) -> None:
        """A stream is done."""
        with self._changing:
            self._streams.discard(stream)

    def end(self, status: status_pb2.Status) -> None:
        """Ends all streams, also those that begin from now on."""
        with self._changing:
            self._ended = status
            streams = tuple(self._streams)
        for stream in streams:
            stream.end(status)
