"""`kehu token`: tokens for development. In production, tokens come from the identity provider."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from libs.client.commands.output import Failure

tokens = typer.Typer(no_args_is_help=True, help="Tokens for development and tests.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(tokens, name="token")


@tokens.command("keys")
def make_keys(
    folder: Annotated[
        Path | None, typer.Argument(help="Where the keys go, by default KEHU_TOKEN_KEYS; what is there is kept.")
    ] = None,
    key_id: Annotated[str, typer.Option(help="The name of the key, which tokens carry.")] = "dev",
) -> None:
    """Make a signing key, its public half, and a key for page tokens.

    Services get the folder as KEHU_TOKEN_KEYS; they need [bold]<key id>.pub.pem[/bold], [bold]page.key[/bold]
    and [bold]seal.key[/bold] only. Whoever loses [bold]seal.key[/bold] loses every personal value.

    [bold]Example:[/bold] kehu token keys keys/
    """
    from libs.chassis.access import make_keys as make
    from libs.client.stack import Stack

    folder = folder or Stack.find().keys
    make(folder, key_id=key_id)
    typer.echo(f"{folder} holds " + ", ".join(sorted(file.name for file in folder.iterdir())))


@tokens.command("issue")
def issue(
    tenant: Annotated[str, typer.Option(help="Whose data the token opens.")] = "",
    scope: Annotated[list[str], typer.Option(help="A scope, for example profiles.customers.read; repeatable.")] = ["*"],  # noqa: B006
    subject: Annotated[str, typer.Option(help="Who acts; written into the audit trail.")] = "developer",
    hours: Annotated[float, typer.Option(help="How long it lives, at most 24.")] = 12.0,
    keys: Annotated[
        Path | None, typer.Option(help="Folder of the signing key; default: that of the local stack.")
    ] = None,
) -> None:
    """Print a token signed with a development key.

    [bold]Examples:[/bold]

      export KEHU_TOKEN=$(kehu token issue)\n
      kehu token issue --tenant acme --scope 'profiles.*' --scope interactions.timeline.read
    """
    from libs.chassis.access import LONGEST_LIFE
    from libs.client.stack import Stack

    lifetime = timedelta(hours=hours)
    if not timedelta() < lifetime <= LONGEST_LIFE:
        raise Failure(f"a token lives for up to {LONGEST_LIFE.total_seconds() / 3600:g} hours, not {hours:g}")
    stack = Stack.find()
    if keys is not None:
        stack = replace(stack, known={**stack.known, "token_keys": str(keys)})
    typer.echo(stack.issue(tenant or stack.tenant, scope, lifetime, subject=subject))
