"""`kehu journal`: the audit trail of a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from libs.command.backstage import journal as open_journal
from libs.command.output import AsJson, Failure, console, print_json

if TYPE_CHECKING:
    from libs.engine.journal import Root

journals = typer.Typer(no_args_is_help=True, help="The audit trail: everything that ever changed, chained by hashes.")

Service = Annotated[str, typer.Argument(help="The service, for example profiles.")]
Tenant = Annotated[str, typer.Option(help="Whose journal; default: KEHU_TENANT, or that of the local stack.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(journals, name="journal")


@journals.command("verify")
def verify(  # noqa: PLR0917  (typer names them)
    service: Service,
    tenant: Tenant = "",
    root: Annotated[
        list[str] | None, typer.Option(help="A root printed earlier, POSITION:HASH; it must still be in the chain.")
    ] = None,
    roots: Annotated[
        Path | None, typer.Option(help="A file of signed roots; all of them must be in the chain.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The public key (PEM) of whoever signed them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no entry was changed, removed or slipped in. Prints the root. Keep it elsewhere to prove more later.

    [bold]Examples:[/bold]

      kehu journal verify profiles\n
      kehu journal verify profiles --root 1042:9f3c…\n
      kehu journal verify profiles --roots roots.jsonl --key roots.pub.pem
    """
    from libs.client.stack import Stack
    from libs.engine.journal import JournalBroken, Root

    tenant = tenant or Stack.find().tenant
    try:
        known = [Root(int(position), bytes.fromhex(digest)) for position, digest in (r.split(":") for r in root or ())]
    except ValueError:
        raise Failure("a root is written POSITION:HASH, as this command prints it") from None
    if roots is not None:
        known += _signed(roots, key, service=service, tenant=tenant)
    with open_journal(service) as opened:
        try:
            end = opened.verify(tenant, known)
        except JournalBroken as broken:
            raise Failure(f"{broken}; compare it with a backup before anything else is written") from broken
    if as_json:
        print_json({"tenant": tenant, "entries": end.position, "root": f"{end.position}:{end.hash.hex()}"})
    else:
        console.print(f"[green]✓[/green] {end.position:,} entries of {tenant} hold")
        console.print(f"root {end.position}:{end.hash.hex()}", soft_wrap=True)


@journals.command("roots")
def roots(
    service: Service,
    key: Annotated[Path, typer.Option(help="The private key (Ed25519, PEM) that signs them.")],
) -> None:
    """Print the signed ends of all journals of a service. Append them, every hour, to what nobody can change.

    [bold]Example:[/bold]

      kehu journal roots profiles --key roots.pem
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from libs.chassis import identity
    from libs.engine.roots import SignedRoot

    try:
        signer = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{key} holds no private key: {error}") from None
    if not isinstance(signer, Ed25519PrivateKey):
        raise Failure(f"{key} holds another kind of key; make one with `openssl genpkey -algorithm ed25519`")
    with open_journal(service) as opened:
        for tenant, root in opened.roots().items():
            typer.echo(SignedRoot(service=service, tenant=tenant, time=identity.now(), root=root).line(signer))


def _signed(file: Path, key: Path | None, *, service: str, tenant: str) -> list[Root]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from libs.engine.roots import RootForged, known

    if key is None:
        raise Failure("signed roots are checked with --key, the public key of whoever signed them")
    try:
        public = load_pem_public_key(key.read_bytes())
        if not isinstance(public, Ed25519PublicKey):
            raise Failure(f"{key} holds no Ed25519 key")
        return known(file.read_text().splitlines(), public, service=service, tenant=tenant)
    except (OSError, RootForged, ValueError) as error:
        raise Failure(f"the roots cannot be used: {error}") from None
