"""`kehu token`: access tokens for development. In production, access tokens come from the identity provider."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from libs.command.output import Failure

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
    from libs.client.stack import Stack
    from libs.engine.access import make_keys as make

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
    """Print an access token signed with a development key.

    [bold]Examples:[/bold]

      export KEHU_TOKEN=$(kehu token issue)\n
      kehu token issue --tenant acme --scope 'profiles.*' --scope interactions.interactions.read
    """
    from libs.client.stack import Stack
    from libs.engine.access import LONGEST_LIFE

    lifetime = timedelta(hours=hours)
    if not timedelta() < lifetime <= LONGEST_LIFE:
        raise Failure(f"a token lives for up to {LONGEST_LIFE.total_seconds() / 3600:g} hours, not {hours:g}")
    stack = Stack.find()
    if keys is not None:
        stack = replace(stack, known={**stack.known, "token_keys": str(keys)})
    typer.echo(stack.issue(tenant or stack.tenant, scope, lifetime, subject=subject))


@tokens.command("rotate")
def rotate(
    step: Annotated[str, typer.Argument(help="prepare, take, rewrap or finish; in this order.")],
    keys: Annotated[Path | None, typer.Option(help="The folder of the keys; default: KEHU_TOKEN_KEYS.")] = None,
) -> None:
    """Replace seal.key, which personal values hang on, while everything goes on.

    [bold]prepare[/bold] puts seal.next.key beside it; then restart every service, so that all can read it.
    [bold]take[/bold] makes it seal.key, and the one before seal.old.key; restart again: new values hang on the new one.
    [bold]rewrap[/bold] wraps every data key anew, as often as it finds any; nothing is sealed again.
    [bold]finish[/bold] looks once more and removes seal.old.key; restart when you like.

    Where the folder comes from a secret store, do to the secret what prepare, take and finish do to the folder.

    [bold]Example:[/bold] kehu token rotate prepare
    """
    from libs.client.stack import Stack
    from libs.engine.access import OLD_SEAL_KEY, make_next_seal_key, take_next_seal_key

    folder = keys or Stack.find().keys
    try:
        match step:
            case "prepare":
                make_next_seal_key(folder)
                typer.echo("restart every service now, then `kehu token rotate take`")
            case "take":
                take_next_seal_key(folder)
                typer.echo("restart every service now, then `kehu token rotate rewrap`")
            case "rewrap":
                typer.echo(f"{_rewrap(folder):,} pages of keys wrapped anew; `kehu token rotate finish` when it is 0")
            case "finish":
                if left := _rewrap(folder):
                    raise Failure(f"{left:,} pages still hung on the old key: restart every service, then try again")
                (folder / OLD_SEAL_KEY).unlink(missing_ok=True)
                typer.echo(f"{OLD_SEAL_KEY} is gone; backups of the keyring that hang on it cannot be read any more")
            case _:
                raise Failure(f"the steps are prepare, take, rewrap and finish, not {step!r}")
    except (FileExistsError, FileNotFoundError) as error:
        raise Failure(str(error)) from None


def _rewrap(folder: Path) -> int:
    """Wraps pages of the keyring anew. Returns the number that hung on another key than the current one."""
    from pymongo.errors import PyMongoError

    from libs.client.stack import Stack
    from libs.engine.access import NEXT_SEAL_KEY, OLD_SEAL_KEY, SEAL_KEY
    from libs.engine.sealing import KeyringError, Masters
    from libs.engine.sealing.mongo import MongoKeyring
    from libs.engine.store import connect

    def key(name: str) -> bytes:
        path = folder / name
        return bytes.fromhex(path.read_text(encoding="ascii").strip()) if path.exists() else b""

    mongo = connect(Stack.find().mongodb_uri, "keyring")
    try:
        return MongoKeyring(mongo, Masters(key(SEAL_KEY), key(OLD_SEAL_KEY), key(NEXT_SEAL_KEY))).rotate()
    except KeyringError as error:
        raise Failure(f"the keyring cannot be wrapped anew: {error}") from error
    except PyMongoError as error:
        raise Failure(f"the store does not answer ({error}); `make status` tells whether MongoDB runs") from error
    finally:
        mongo.close()
