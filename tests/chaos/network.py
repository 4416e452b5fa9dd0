"""A network that can be hurt: a relay of TCP between our processes and the broker, told how to treat its bytes."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from libs.localstack.processes import HOST


@dataclass(slots=True)
class Weather:
    """Treatment of bytes, in each direction."""

    delay: float = 0.0
    """Seconds that each piece waits."""
    piece: int = 65536
    """Bytes that are passed on at a time."""
    there: bool = True
    back: bool = True
    """False where everything is swallowed, and nobody is told."""


@dataclass
class Wire:
    """A port of its own in front of another one. `weather` may change at any time."""

    port_behind: int
    weather: Weather = field(default_factory=Weather)

    def __post_init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Resets every connection, with what was on its way."""
        for pair in self._pairs:
            for end in pair:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.close()
                except OSError:
                    continue
        self._pairs.clear()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self.port_behind), timeout=5)
            except OSError:
                time.sleep(0.05)
                continue
            self._pairs.append((near, far))
            for source, target, there in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(source, target, there), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, there: bool) -> None:
        waiting = selectors.DefaultSelector()
        try:
            waiting.register(source, selectors.EVENT_READ)
            while not self._stop.is_set():
                if not waiting.select(0.2):
                    continue
                weather = self.weather
                if not (weather.there if there else weather.back):
                    time.sleep(0.05)  # it stays in the buffers: a partition loses nothing, it only delivers nothing
                    continue
                data = source.recv(weather.piece)
                if not data:
                    break
                time.sleep(weather.delay)
                target.sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            waiting.close()
            for end in (source, target):
                try:
                    end.close()
                except OSError:
                    continue
