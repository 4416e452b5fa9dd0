"""Workers run on eventlet, which has to patch sockets, threads and time before anything else imports them.

python -m libs.engine.green services.profiles     runs the worker of a service, patched
"""

from __future__ import annotations

import os
import runpy
import sys
import warnings

_TOO_EARLY = {"amqp", "grpc", "pymongo"}
"""Packages that keep the sockets and locks which they find when they are imported."""


def run_worker(package: str) -> None:
    """Patches this process and runs `python -m <package> worker` in it."""
    patch()
    sys.argv = [package, "worker"]
    runpy.run_module(package, run_name="__main__", alter_sys=True)


def patch() -> None:
    """Patches the standard library. ImportError when something has been imported that is to see it patched."""
    if early := _TOO_EARLY & sys.modules.keys():
        raise ImportError(f"{', '.join(sorted(early))} came before eventlet has patched the standard library")
    # Resolving names is left to the operating system: eventlet's own resolver knows nothing of search domains.
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its end of life; handlers are plain functions, ready to leave
        import eventlet
    eventlet.monkey_patch()


def start_anew(package: str) -> None:
    """Makes this process a patched worker of the package, where patching would come too late."""
    os.execv(sys.executable, [sys.executable, "-m", "libs.engine.green", package])  # noqa: S606  (no shell is wanted)


def patched() -> bool:
    """Returns whether this process was patched."""
    return "eventlet" in sys.modules


if __name__ == "__main__":
    run_worker(sys.argv[1])
