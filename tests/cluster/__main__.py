"""The Kubernetes node from the command line.

python -m tests.cluster up             start what does not run; the first time, build its programs before (`build.sh`)
python -m tests.cluster down           end everything that was started, and remove its data
python -m tests.cluster install        build the image, put it on the node, install or upgrade the suite
python -m tests.cluster test ARGUMENTS run the tests; they are skipped when there is no node
python -m tests.cluster enter COMMAND  run a command inside, where kubectl works and pods can be reached
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from rich.console import Console

from libs.localstack.processes import StackError
from tests.cluster.node import Node
from tests.cluster.stores import Stores
from tests.cluster.suite import Suite, build_image

err = Console(stderr=True, highlight=False)


def main() -> int:
    """Does what the arguments say and returns the exit code of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("up", "down", "install", "test", "enter"))
    # What follows belongs to somebody else, options and all.
    command = parser.parse_args(sys.argv[1:2]).command
    words = sys.argv[2:]
    if words and command not in ("test", "enter"):
        parser.error(f"{command} takes no arguments, not {' '.join(words)}")
    node = Node()
    try:
        match command:
            case "up":
                return _up(node)
            case "down":
                ended = node.place.end()
                print(f"Ended {ended} processes." if ended else "Nothing was running.")
                return 0
            case "install":
                return _install(node)
            case "test":
                return _test(node, words)
            case _:
                _enter(node, words)
    except StackError as error:
        for line in error.tail():
            err.print(f"  {line}", style="dim", soft_wrap=True, markup=False)
        err.print(f"kehu: {error}", style="red", soft_wrap=True, markup=False)
        return 1


def _up(node: Node) -> int:
    node.place.make()
    if not node.place.inside:
        _inside(node)
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


def _install(node: Node) -> int:
    archive = node.folder / "kehu.tar"
    if not node.place.inside:
        with err.status("building the image …"):
            build_image(archive)
        _inside(node)
    with err.status("") as status:
        status.update("putting the image on the node …")
        suite = Suite(node, Stores(node))
        suite.put_image(archive)
        status.update("installing the suite …")
        begun = time.monotonic()
        suite.upgrade() if suite.installed else suite.install()
    print(f"The suite is ready ({time.monotonic() - begun:.0f} s).")
    return 0


def _test(node: Node, words: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", "tests/cluster", *words]
    if node.place.exists:
        _enter(node, command)
    return subprocess.run(command, check=False).returncode


def _enter(node: Node, words: list[str]) -> NoReturn:
    if not words:
        raise StackError("Say what to run inside, for example: enter kubectl get nodes.")
    if not node.place.exists:
        raise StackError("The cluster is not up; run `make cluster`.")
    os.environ.update(node.environment)
    node.place.enter(words)


def _inside(node: Node) -> NoReturn:
    """Runs this very command once more, inside."""
    _enter(node, [sys.executable, *sys.orig_argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
