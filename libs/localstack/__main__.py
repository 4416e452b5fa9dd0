"""The local stack from the command line.

python -m libs.localstack up        start what does not run or has changed, load the demonstration, show where all is
python -m libs.localstack down      end what was started; data stay
python -m libs.localstack status    show what runs where; exit code 1 unless everything is ready
python -m libs.localstack mongo     start MongoDB only and print its URI
python -m libs.localstack rabbit    start RabbitMQ only and print its URI
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.engine.exits import Exit
from libs.localstack.processes import StackError
from libs.localstack.stack import PREFERRED_PORTS, ROOT, Stack

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_COLOURS = {"ready": "green", "yours": "green", "not ready": "yellow", "stopped": "dim"}


def main() -> int:
    """Does what the arguments say and returns the exit code of the process."""
    arguments = _parser().parse_args()
    try:
        stack = Stack(dict(arguments.port or ()), tls=arguments.tls)
        return _COMMANDS[arguments.command](stack, arguments)
    except StackError as error:
        for line in error.tail():
            err.print(f"  {escape(line)}", style="dim", soft_wrap=True)
        err.print(f"[red]kehu:[/] {escape(str(error))}", soft_wrap=True)
        return Exit.FAILED
    except KeyboardInterrupt:
        err.print("kehu: interrupted; `make down` ends what was started.")
        return 130


def _up(stack: Stack, arguments: argparse.Namespace) -> int:
    with err.status("") as status:
        renewed = stack.up(lambda words: status.update(f"{words} …"))
    if renewed:
        out.print(f"Started anew, because code or settings have changed since: [bold]{', '.join(renewed)}[/].\n")
    if arguments.demo:
        stack.demo()
    _show(stack)
    out.print("End it with [bold]make down[/]; its data stay until [bold]make clean[/].")
    return 0


def _down(stack: Stack, _: argparse.Namespace) -> int:
    with err.status("") as status:
        ended = stack.down(lambda words: status.update(f"{words} …"))
    out.print(f"Ended {ended} processes." if ended else "Nothing was running.")
    return 0


def _status(stack: Stack, _: argparse.Namespace) -> int:
    return Exit.DONE if _show(stack) else Exit.FAILED


def _mongo(stack: Stack, _: argparse.Namespace) -> int:
    stack.start_mongodb(err.print)
    print(stack.mongodb_uri)
    return 0


def _rabbit(stack: Stack, _: argparse.Namespace) -> int:
    stack.start_rabbitmq(err.print)
    print(stack.amqp_uri)
    return 0


def _show(stack: Stack) -> bool:
    """Prints what runs where, and tells whether everything is ready."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "state", "address", "pid"):
        table.add_column(column)
    rows = list(stack.rows())
    for row in rows:
        table.add_row(row.name, f"[{_COLOURS[row.state]}]{row.state}[/]", row.address, str(row.pid or ""))
    out.print(table)
    out.print(f"\nLogs and data are in {stack.folder.relative_to(ROOT)}.")
    return all(row.state in {"ready", "yours"} for row in rows)


_COMMANDS = {"up": _up, "down": _down, "status": _status, "mongo": _mongo, "rabbit": _rabbit}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m libs.localstack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument(
        "--port",
        action="append",
        type=_port,
        metavar="NAME=NUMBER",
        help=f"take this port if it is free; names: {', '.join(PREFERRED_PORTS)}",
    )
    parser.add_argument("--tls", action="store_true", help="let everything speak TLS, with certificates made for it")
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="load no demonstration")
    return parser


def _port(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    return name, int(number)


if __name__ == "__main__":
    sys.exit(main())
