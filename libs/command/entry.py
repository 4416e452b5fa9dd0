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
from importlib.util import find_spec

from libs.engine import green
from libs.engine.exits import Exit


def main() -> int:
    """Runs what the arguments of the process ask for and returns its exit code."""
    if len(sys.argv) > 1 and _is_service(sys.argv[1]):
        package = f"services.{sys.argv.pop(1)}"
        if sys.argv[1:] == ["worker"]:
            green.run_worker(package)
        else:
            runpy.run_module(package, run_name="__main__", alter_sys=True)
        return Exit.DONE
    from libs.command.app import run

    return run()


def _is_service(name: str) -> bool:
    return bool(re.fullmatch(r"[a-z]+", name)) and find_spec(f"services.{name}") is not None


if __name__ == "__main__":
    sys.exit(main())
