"""Makes nameko run our loops. All that the suite uses of nameko is here and in `run.worker`.

Of nameko we take the life cycle: extensions are set up, started, stopped and killed together, and an error that nobody
expected ends the container. Its own consumers are not used, because they acknowledge what a handler failed to handle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR, Entrypoint

from libs.engine import logs
from libs.engine.inbox.consumer import Spawn
from libs.engine.loop import Loop

log = logs.get(__name__)

MakeLoop = Callable[[Spawn], Loop]


class LoopEntrypoint(Entrypoint):  # type: ignore[misc]
    """Runs one loop on a managed green thread, and the work it hands out on workers of the container."""

    def __init__(self, make: MakeLoop, grace: float, **options: Any) -> None:
        super().__init__(**options)
        self._make = make
        self._grace = grace
        self.loop: Loop

    def setup(self) -> None:
        """Makes the loop: no waiting here, and nothing left for `start`, which runs beside the start of all others."""
        self.loop = self._make(self._spawn)

    def start(self) -> None:
        """Begins to work."""
        self.container.spawn_managed_thread(self.loop.run, identifier=self.loop.name)

    def stop(self) -> None:
        """Ends when the loop has finished and acknowledged what it had begun."""
        self.loop.stop()
        if not self.loop.wait(self._grace):
            log.error("does not stop", loop=self.loop.name, seconds=self._grace)

    def kill(self) -> None:
        """Asks the loop to end, without waiting: the container is dying."""
        self.loop.stop()

    def _spawn(self, work: Callable[[], None]) -> None:
        self.container.spawn_worker(self, (work,), {})


def service_class(name: str, loops: Mapping[str, MakeLoop], grace: float) -> type:
    """The class that a nameko container is made of: one method for each loop, which does the work it hands out.

    A loop that is stopped has `grace` seconds to finish what it has begun.
    """
    methods: dict[str, Any] = {"name": name}
    for loop, make in loops.items():
        method = FunctionType(_perform.__code__, _perform.__globals__, loop)
        setattr(method, ENTRYPOINT_EXTENSIONS_ATTR, {LoopEntrypoint(make, grace)})
        methods[loop] = method
    return type(name, (), methods)


def _perform(_service: object, work: Callable[[], None]) -> None:
    work()
