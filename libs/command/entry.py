"""`kehu`: one command for the services and for the people who use them.

    kehu <service> api|worker|migrate|check     runs a service: the same as `python -m services.<service> …`
    kehu <anything else>                        the command line; `kehu --help` teaches it

Only the standard library is imported before the choice is made: a worker has to patch sockets and threads before
anything else uses them.
"""

from __future__ import annotations

import re
import runpy
import sys
from importlib.util import find_spec


def main() -> int:
    """Runs what the arguments of the process ask for and returns its exit code."""
    if len(sys.argv) > 1 and _is_service(sys.argv[1]):
        service = sys.argv.pop(1)
        runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)
        return 0
    from libs.command.app import run

    return run()


def _is_service(name: str) -> bool:
    return bool(re.fullmatch(r"[a-z]+", name)) and find_spec(f"services.{name}") is not None


if __name__ == "__main__":
    sys.exit(main())
