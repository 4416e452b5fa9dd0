"""A name server that knows one thing: which addresses are behind a name now, as a headless Service does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence

_A, _ANSWER, _NO_ERROR = 1, 0x8000, 0


class NameServer:
    """Answers every question for an IPv4 address with `addresses`, for no time to keep."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = tuple(addresses)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def target(self, port: int) -> str:
        """What a gRPC client is told, who asks this server instead of that of the machine."""
        host, asked = self._socket.getsockname()
        return f"dns://{host}:{asked}/kehu.test:{port}"

    def _serve(self) -> None:
        while question := self._receive():
            data, sender = question
            self._socket.sendto(self._answer(data), sender)

    def _receive(self) -> tuple[bytes, tuple[str, int]] | None:
        data, sender = self._socket.recvfrom(512)
        return (data, sender) if data else None

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5  # behind the name, its kind and its class
        [kind] = struct.unpack("!H", query[end - 4 : end - 2])
        found = self.addresses if kind == _A else ()
        header = struct.pack("!2sHHHHH", query[:2], _ANSWER | _NO_ERROR, 1, len(found), 0, 0)
        pointer = 0xC00C  # the name in the question
        records = [struct.pack("!HHHIH", pointer, _A, 1, 0, 4) + socket.inet_aton(address) for address in found]
        return header + query[12:end] + b"".join(records)
