"""Callers that open calls and do not send what they announced: HTTP/2 by hand, many calls on one socket, no threads."""

from __future__ import annotations

import socket
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS, _INITIAL_WINDOW_SIZE = 4, 4


class SlowCaller:
    """One connection with any number of calls that hang."""

    def __init__(self, target: str, *, window: int = 65_535) -> None:
        """`window` is how many bytes of each answer it takes."""
        host, _, port = target.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=5)
        self._authority = target
        self._next = 1
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, window)))

    def open(self, path: str, *, token: str = "", data: bytes = b"") -> int:
        """Opens a call of the method at `path` and sends `data`, which may be less than one message."""
        number, self._next = self._next, self._next + 2
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", self._authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        if token:
            headers.append(("authorization", f"Bearer {token}"))
        block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)
        sent = _frame(_HEADERS, _END_HEADERS, number, block)
        if data:
            sent += _frame(_DATA, 0, number, data)
        self._socket.sendall(sent)
        return number

    def close(self) -> None:
        """Goes away, and all calls with it."""
        self._socket.close()


def announced(message: bytes, sent: int) -> bytes:
    """So many bytes of a message, of which the length before it says that there are more to come."""
    return b"\x00" + struct.pack(">I", len(message)) + message[:sent]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _text(text: str) -> bytes:
    """A literal of HPACK: its length with a prefix of seven bits, then the bytes as they are."""
    length, rest = len(text), bytearray()
    if length < 127:
        return bytes((length,)) + text.encode()
    length -= 127
    while length > 127:
        rest.append(length % 128 + 128)
        length //= 128
    rest.append(length)
    return b"\x7f" + bytes(rest) + text.encode()
