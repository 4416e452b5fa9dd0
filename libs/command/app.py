"""The command tree, and how failures are told: one sentence that says what to do next, never a trace."""

from __future__ import annotations

from importlib import import_module

import typer
from rich.console import Console
from rich.markup import escape

from libs.command.output import Failure, explain
from libs.engine.exits import Exit

app = typer.Typer(
    name="kehu",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Kehu from the command line.

    It speaks to the local stack that [bold]make up[/bold] starts, or to where KEHU_TARGET_<SERVICE> and
    KEHU_TOKEN point. Every command explains itself: [bold]kehu COMMAND --help[/bold].

    [bold]Try:[/bold]

      kehu demo                          a small demonstration: customers, contacts, events\n
      kehu customer find 王              look for somebody\n
      kehu timeline cus_… --follow       watch contacts arrive\n
      kehu doctor                        what is wrong, and what to do about it

    Services start here too: [bold]kehu profiles api|worker|migrate|check[/bold].
    """,
    epilog="Exit codes: 0 done, 1 not or only partly done (the reason is on standard error), 2 wrong arguments.",
)

# In the order of `kehu --help`.
for _module in (
    "demo",
    "customer",
    "privacy",
    "identity",
    "segment",
    "pool",
    "contract",
    "contacts",
    "case",
    "complaint",
    "goodwill",
    "problem",
    "pipeline",
    "deal",
    "lead",
    "forecast",
    "care",
    "survey",
    "loop",
    "queue",
    "agent",
    "staffing",
    "loads",
    "worth",
    "operation",
    "token",
    "events",
    "parked",
    "journal",
    "doctor",
    "smoke",
    "ops",
):
    import_module(f"libs.command.commands.{_module}").register(app)


def run() -> int:
    """Runs the command that the arguments of the process ask for. Returns the exit code, or exits with it."""
    from libs.client.errors import KehuError
    from libs.client.stack import StackUnknown

    try:
        app()
    except Failure as failure:
        return _tell(str(failure), failure.code)
    except StackUnknown as unknown:
        return _tell(str(unknown))
    except KehuError as error:
        return _tell(explain(error))
    return 0


def _tell(sentence: str, code: Exit = Exit.FAILED) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]kehu:[/bold red] {escape(sentence)}")
    return code
