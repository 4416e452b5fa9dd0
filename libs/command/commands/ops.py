"""`kehu ops`: the suite in a cluster, for those who run it.

It reads one namespace and writes nothing; `libs.command.ops.rights` lists what it must be allowed to do.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.markup import escape

from libs.client.stack import Stack, StackUnknown
from libs.command.output import AsJson, Misuse, console, print_json
from libs.engine.exits import Exit
from libs.registry import SERVICES
from libs.suite import routes

if TYPE_CHECKING:
    from libs.command.ops.cluster import Cluster
    from libs.command.ops.lag import Lag
    from libs.command.ops.status import Status

ops = typer.Typer(
    no_args_is_help=True,
    help="""The suite in a Kubernetes cluster: what runs, what waits, what is wrong, and what to do about it.

    It uses kubectl's configuration (KUBECONFIG, ~/.kube/config) or, in a pod, that of its service account, reads one
    namespace and changes nothing. [bold]kehu ops lag[/bold] needs the broker only, and works on a laptop as well.

    Exit codes: 0 all is well, 1 something is wrong, 2 wrong arguments, configuration or rights, 75 nobody answers.
    """,
)

Context = Annotated[str, typer.Option(help="A context of the kubeconfig; the present one without it.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="The namespace; that of the context without it.")]
Release = Annotated[str, typer.Option(help="The Helm release, where a namespace has several.")]
ManagementUri = Annotated[
    str,
    typer.Option(
        "--management",
        envvar="KEHU_MANAGEMENT_URI",
        help="RabbitMQ's management API: http://user:password@host:15672, or file:PATH of a file that says it.",
        show_envvar=True,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(ops, name="ops")


@ops.command("status")
def status(context: Context = "", namespace: Namespace = "", release: Release = "", as_json: AsJson = False) -> None:
    """Show what runs, in which state its rollout is, who leads, and why what is not ready is not.

    [bold]Examples:[/bold] kehu ops status · kehu ops status -n kehu --json
    """
    from libs.command.views import ops as views

    cluster = _open(context, namespace, release)
    found = look(cluster)
    _show(as_json, {**_where(cluster), **found.as_json()}, views.status(found, _place(cluster)))
    _exit_if(found.findings())


@ops.command("lag")
def lag(
    management: ManagementUri = "",
    queues: Annotated[bool, typer.Option("--queues", help="Show every partition.")] = False,
    max_wait: Annotated[float, typer.Option(help="Seconds that an event may wait in its queue.", min=1)] = 300,
    as_json: AsJson = False,
) -> None:
    """Show what waits in RabbitMQ, by service and subscription, and who is behind.

    Rates are means of the last minute. Without a management API it shows what AMQP tells (KEHU_AMQP_URI): how much
    waits and who consumes. In a cluster: kubectl port-forward service/rabbitmq 15672, then --management.

    [bold]Examples:[/bold] kehu ops lag · kehu ops lag --queues · kehu ops lag --management http://kehu:…@127.0.0.1:15672
    """
    from libs.command.views import ops as views

    found = read_lag(management)
    _show(as_json, found.as_json(max_wait), views.lag(found, max_wait, every=queues))
    _exit_if(found.findings(max_wait))


@ops.command("drain-check")
def drain_check(
    *,
    node: Annotated[str, typer.Argument(help="The node to drain.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every node that has pods of this namespace.")] = False,
    context: Context = "",
    namespace: Namespace = "",
    release: Release = "",
    as_json: AsJson = False,
) -> None:
    """Tell whether a drain of a node would be blocked by this namespace, by which budget and pod, and what to do.

    [bold]Examples:[/bold] kehu ops drain-check node-7 · kehu ops drain-check --all
    """
    from libs.command.ops.drain import plan
    from libs.command.views import ops as views

    if bool(node) == every:
        raise Misuse("name a node, or say --all")
    cluster = _open(context, namespace, release)
    plans = plan(cluster.all_pods(), cluster.budgets())
    chosen = plans if every else [each for each in plans if each.node == node]
    if as_json:
        print_json({**_where(cluster), "nodes": [each.as_json() for each in chosen]})
    elif chosen:
        console.print(views.drain(chosen))
    else:
        others = ", ".join(each.node for each in plans) or "no node"
        console.print(f"nothing of namespace {cluster.namespace} would have to leave {node}; its pods are on {others}")
    if any(each.blocked or each.interrupted for each in chosen):
        raise typer.Exit(Exit.FAILED)


@ops.command("events")
def events(
    *,
    since: Annotated[float, typer.Option(help="How many minutes back.", min=1)] = 60,
    everything: Annotated[bool, typer.Option("--all", help="Also what went well.")] = False,
    context: Context = "",
    namespace: Namespace = "",
    release: Release = "",
    as_json: AsJson = False,
) -> None:
    """Show what the cluster complained of lately, the latest last. It exits with 0: what was, may be mended by now.

    [bold]Example:[/bold] kehu ops events --since 15
    """
    from libs.command.ops.warnings import gather
    from libs.command.views import ops as views

    cluster = _open(context, namespace, release)
    now = datetime.now(UTC)
    found = gather(
        cluster.events(), cluster.full_names(), now=now, since=timedelta(minutes=since), everything=everything
    )
    nothing = f"no complaints in namespace {cluster.namespace} in the last {since:g} minutes"
    _show(as_json, [one.as_json() for one in found], views.warnings(found, now) if found else nothing)


@ops.command("verify")
def verify(
    *,
    manifest: Annotated[str, typer.Option(help="A file that `helm get manifest` or `helm template` made; - reads it.")],
    context: Context = "",
    namespace: Namespace = "",
    release: Release = "",
    as_json: AsJson = False,
) -> None:
    """Compare what lives in the cluster with a manifest: which fields differ, and who wrote them.

    The manifest is handed over, because reading it from the release would take the right to read secrets.

    [bold]Examples:[/bold] helm get manifest kehu | kehu ops verify --manifest - · kehu ops verify --manifest kehu.yaml
    """
    from libs.command.ops.verify import read_manifest
    from libs.command.ops.verify import verify as compare
    from libs.command.views import ops as views

    try:
        text = sys.stdin.read() if manifest == "-" else Path(manifest).read_text(encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{manifest} cannot be read: {error.strerror}") from None
    wanted = read_manifest(text)
    cluster = _open(context, namespace, release)
    found = compare(cluster, wanted)
    _show(as_json, {**_where(cluster), **found.as_json()}, views.verified(found))
    _exit_if(found.drifts)


@ops.command("diagnose")
def diagnose(
    *,
    to: Annotated[str, typer.Option(help="The file to make; kehu-RELEASE-TIME.tar.gz here without it.")] = "",
    management: ManagementUri = "",
    context: Context = "",
    namespace: Namespace = "",
    release: Release = "",
) -> None:
    """Collect one file for whoever helps: status, queues, warnings, objects and the ends of logs.

    Credentials, mail addresses and telephone numbers are taken out; look through it all the same before you send it.
    What could not be had is listed in its missing.txt, and does not keep the rest from being collected.

    [bold]Example:[/bold] kehu ops diagnose -n kehu
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from libs.command.ops.bundle import Bundle, of_cluster
    from libs.command.ops.warnings import gather
    from libs.command.views import ops as views

    cluster = _open(context, namespace, release)
    now = datetime.now(UTC)
    path = Path(to or f"kehu-{cluster.release}-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    try:
        bundle = Bundle(path)
    except OSError as error:
        raise Misuse(f"{path} cannot be made: {error.strerror}; choose another with --to") from None

    def told() -> None:
        found = look(cluster)
        bundle.json("status.json", found.as_json)
        bundle.text("status.txt", lambda: _as_text(views.status(found, _place(cluster))))

    def queues() -> None:
        found = read_lag(management)
        bundle.json("lag.json", lambda: found.as_json(300))
        bundle.text("lag.txt", lambda: _as_text(views.lag(found, 300, every=True)))

    def complaints() -> None:
        hours = timedelta(hours=24)
        found = gather(cluster.events(), cluster.full_names(), now=now, since=hours)
        bundle.text("warnings.txt", lambda: _as_text(views.warnings(found, now)))

    err = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        steps = [("status", told), ("queues", queues), ("warnings", complaints)]
        steps += [(what, partial(add, bundle)) for what, add in of_cluster(cluster)]
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("collecting", total=len(steps))
            for what, step in steps:
                progress.update(task, description=what)
                bundle.attempt(what, step)
                progress.advance(task)
    finally:
        missing = bundle.close()
    size = path.stat().st_size / 1024
    console.print(f"[green]✓[/green] {escape(str(path.resolve()))} ({size:.0f} KiB)", soft_wrap=True)
    for line in missing:
        console.print(f"[yellow]![/yellow] without {escape(line)}", soft_wrap=True)


def look(cluster: Cluster) -> Status:
    """The state of the release. What may not be asked is left out and noted."""
    from libs.command.ops.status import examine

    pods, notes = cluster.pods(), list[str]()
    running = [pod for pod in pods if pod.status.phase == "Running"]
    metrics, readiness = dict[str, str](), dict[str, str]()
    try:
        metrics = cluster.ask([pod.metadata.name for pod in running], "metrics")
        readiness = cluster.ask([pod.metadata.name for pod in running if not _ready(pod)], "readyz")
    except Misuse as refused:
        notes.append(f"What processes say of themselves is left out: {refused}")
    return examine(
        deployments=cluster.deployments(),
        pods=pods,
        leases=cluster.leases(),
        events=cluster.events(),
        now=datetime.now(UTC),
        readiness=readiness,
        metrics=metrics,
        notes=notes,
    )


@ops.command("restore")
def restore(
    service: Annotated[str, typer.Argument(help="The service whose database came back from a backup.")],
) -> None:
    """Tell a database that it came back from a backup, before its processes start again.

    Revisions, and with them the ids of events, begin above all that were ever given, so that other services take what
    changes from now on for new. docs/restore.md tells the whole procedure. Needs KEHU_MONGODB_URI.

    [bold]Example:[/bold] kehu ops restore profiles
    """
    from libs.engine.run.schema import begin_epoch
    from libs.engine.store import MongoDatabase, connect

    if service not in SERVICES:
        raise Misuse(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    with connect(Stack.find().mongodb_uri, service) as mongo:
        epoch = begin_epoch(MongoDatabase(mongo, service, page_key=bytes(32)))
    typer.echo(
        f"{service} is in epoch {epoch}; start its processes, then replay what others published since the backup"
    )


def read_lag(management: str) -> Lag:
    """The queues, as the management API tells, or AMQP where no management API is known."""
    from libs.command.ops.broker import Management, read_over_amqp
    from libs.engine.bus.topology import UNROUTED, aside_queues

    stack = Stack.find()
    try:
        return Management(management or stack.management_uri).read()
    except StackUnknown as unknown:
        if "amqp_uri" not in stack.known:
            raise Misuse(f"{unknown}; `--management` says it as well") from None
    names = [UNROUTED]
    for service in SERVICES:
        for route in routes(service):
            names += [*route.queues(service), *aside_queues(service, route.name)]
    return read_over_amqp(stack.amqp_uri, names)


def _open(context: str, namespace: str, release: str) -> Cluster:
    from libs.command.ops.cluster import Cluster

    return Cluster.open(context=context, namespace=namespace, release=release)


def _ready(pod: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())


def _where(cluster: Cluster) -> dict[str, str]:
    return {"cluster": cluster.host, "namespace": cluster.namespace, "release": cluster.release}


def _place(cluster: Cluster) -> str:
    return f"release {cluster.release} in namespace {cluster.namespace} of {cluster.host}"


def _as_text(renderable: RenderableType) -> str:
    """Returns the text of a terminal of 160 columns."""
    from rich.console import Console

    plain = Console(width=160, file=io.StringIO(), highlight=False)
    with plain.capture() as capture:
        plain.print(renderable)
    return capture.get()


def _show(as_json: bool, value: Any, renderable: RenderableType) -> None:
    if as_json:
        print_json(value)
    else:
        console.print(renderable)


def _exit_if(wrong: Iterable[object]) -> None:
    if any(True for _ in wrong):
        raise typer.Exit(Exit.FAILED)
