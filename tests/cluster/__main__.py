"""The Kubernetes node from the command line.

python -m tests.cluster up             start what does not run; the first time, build its programs before (`build.sh`)
python -m tests.cluster down           end everything that was started, and remove its data
python -m tests.cluster enter COMMAND  run a command inside, where kubectl works and pods can be reached
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from libs.localstack.processes import StackError
from tests.cluster.namespaces import again_inside
from tests.cluster.node import Node
from tests.cluster.stores import Stores

err = Console(stderr=True, highlight=False)


def main() -> int:
    """Does what the arguments say and returns the exit code of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down"):
        commands.add_parser(name)
    commands.add_parser("enter").add_argument("words", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    node = Node()
    try:
        match arguments.command:
            case "up":
                return _up(node)
            case "down":
                ended = node.place.end()
                print(f"Ended {ended} processes." if ended else "Nothing was running.")
                return 0
            case _:
                return _enter(node, arguments.words)
    except StackError as error:
        for line in error.tail():
            err.print(f"  {line}", style="dim", soft_wrap=True, markup=False)
        err.print(f"kehu: {error}", style="red", soft_wrap=True, markup=False)
        return 1


def _up(node: Node) -> int:
    node.place.make()
    if not node.place.inside:
        again_inside(node.place)
    begun = time.monotonic()
    stores = Stores(node)
    with err.status("making a network …") as status, ThreadPoolExecutor() as pool:
        node.furnish()
        beside = pool.submit(stores.start)
        node.up(lambda words: status.update(f"{words} …"))
        beside.result()
        stores.publish()
    print(
        f"The node takes pods ({time.monotonic() - begun:.0f} s); `python -m tests.cluster enter kubectl get pods -A`."
    )
    return 0


def _enter(node: Node, words: list[str]) -> int:
    if not node.place.exists:
        raise StackError("The cluster is not up; run `make cluster`.")
    if not words:
        raise StackError("Say what to run inside, for example: enter kubectl get nodes.")
    os.environ.update(node.environment)
    node.place.enter(words)


if __name__ == "__main__":
    sys.exit(main())
