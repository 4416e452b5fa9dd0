"""The methods of all gRPC services of a service side by side, as its client offers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Methods:
    """The methods of servicers, as attributes."""

    def __init__(self, servicers: Iterable[tuple[Callable[[Any, Any], None], object]]) -> None:
        self._servicers = [servicer for _, servicer in servicers]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        for servicer in self._servicers:
            if name in vars(type(servicer)):
                method: Callable[..., Any] = getattr(servicer, name)
                return method
        raise AttributeError(f"no servicer has the method {name}")
