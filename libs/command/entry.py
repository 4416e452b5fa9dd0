"""`kehu`: one command for the services and for the people who use them.

    kehu <service> api|worker|web|migrate|check     runs a service: the same as `python -m services.<service> …`
    kehu <anything else>                        the command line; `kehu --help` teaches it

Nothing heavy is imported before the choice is made: a worker has to patch sockets and threads before anything else
uses them.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from libs.engine import green
from libs.engine.exits import Exit

PROCESSES = ("api", "worker", "web", "migrate", "check")
"""Words behind the name of a service that run it."""


def main() -> int:
    """Runs what the arguments of the process ask for and returns its exit code."""
    if is_service(sys.argv[1:]):
        package = f"services.{sys.argv.pop(1)}"
        if sys.argv[1:] == ["worker"]:
            green.run_worker(package)
        else:
            runpy.run_module(package, run_name="__main__", alter_sys=True)
        return Exit.DONE
    from libs.command.app import run

    return run()


def is_service(arguments: Sequence[str]) -> bool:
    """Tells whether arguments run a service. Where commands share its name, the word behind it decides."""
    name = arguments[0] if arguments else ""
    if not re.fullmatch(r"[a-z]+", name) or find_spec(f"services.{name}") is None:
        return False
    return find_spec(f"libs.command.commands.{name}") is None or arguments[1:2] in [[each] for each in PROCESSES]


if __name__ == "__main__":
    sys.exit(main())
