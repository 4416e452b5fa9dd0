"""`kehu care alert` and `kehu care churn`: customers who may leave, and why others left."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from libs.command.output import AsJson, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.care.v1.alerts_pb2 import Alert

alerts = typer.Typer(no_args_is_help=True, help="Customers somebody has to do something about, with the reasons.")
churn = typer.Typer(no_args_is_help=True, help="Why customers left, and what winning them back is worth.")

AlertId = Annotated[str, typer.Argument(help="The id alt_….")]
CustomerId = Annotated[str, typer.Argument(help="The id cus_….")]
Limit = Annotated[int, typer.Option(min=1, max=5000, help="At most so many.")]


def register(care: typer.Typer) -> None:
    """Adds the commands to those of care."""
    care.add_typer(alerts, name="alert")
    care.add_typer(churn, name="churn")


@alerts.command("list")
def list_alerts(
    owner: Annotated[str, typer.Option(help="Of whom.")] = "",
    kind: Annotated[str, typer.Option(help="CHURN_RISK, DECLINE, SILENCE, PROMISE_BROKEN, COOLING, …")] = "",
    state: Annotated[str, typer.Option(help="RAISED, ACKNOWLEDGED, IN_PLAY, HELD_OUT or CLOSED.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List alerts, the first due first.

    [bold]Example:[/bold] kehu care alert list --owner bob --state RAISED
    """
    from libs.command.views import retention as views

    asked = {"owner": owner, "kind": kind.upper(), "state": state.upper()}
    filter = " AND ".join(f'{name} = "{value}"' for name, value in asked.items() if value)
    with client() as connected:
        found = list(islice(connected.care.list_alerts(filter=filter), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.alerts(found, datetime.now(UTC)))


@alerts.command("show")
def show(alert_id: AlertId, as_json: AsJson = False) -> None:
    """Show one alert: what speaks for it, and by when something is done.

    [bold]Example:[/bold] kehu care alert show alt_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.care.get_alert(alert_id=alert_id), as_json=as_json)


@alerts.command("acknowledge")
def acknowledge(alert_id: AlertId, as_json: AsJson = False) -> None:
    """Take note of an alert, and answer for it when nobody does.

    [bold]Example:[/bold] kehu care alert acknowledge alt_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.care.acknowledge_alert(alert_id=alert_id), as_json=as_json)


@alerts.command("assign")
def assign(
    alert_id: AlertId,
    owner: Annotated[str, typer.Argument(help="Who answers for it from now on.")],
    as_json: AsJson = False,
) -> None:
    """Give an alert to somebody else.

    [bold]Example:[/bold] kehu care alert assign alt_01jd5w3k8e7r9s2t4v6x8y0z1a bob
    """
    with client() as connected:
        _tell(connected.care.assign_alert(alert_id=alert_id, owner=owner), as_json=as_json)


@alerts.command("close")
def close(
    alert_id: AlertId,
    note: Annotated[str, typer.Option(help="What came of it, in words.")] = "",
    false_alarm: Annotated[bool, typer.Option("--false-alarm", help="There was nothing to it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Close an alert: the customer stays, unless it was a false alarm. One who left gets a churn record.

    [bold]Example:[/bold] kehu care alert close alt_01jd5w3k8e7r9s2t4v6x8y0z1a --note "Visited on Monday"
    """
    outcome = "FALSE_ALARM" if false_alarm else "SAVED"
    with client() as connected:
        _tell(connected.care.close_alert(alert_id=alert_id, outcome=outcome, note=note), as_json=as_json)


@churn.command("record")
def record(
    customer_id: CustomerId,
    reason: Annotated[str, typer.Argument(help="A path of the reasons: `kehu care churn reasons`.")],
    *,
    competitor: Annotated[str, typer.Option(help="Who has the customer now.")] = "",
    note: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    recoverable: Annotated[bool, typer.Option("--recoverable", help="The customer may come back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Record that a customer left, and why. With this profiles counts it among those who left.

    [bold]Example:[/bold] kehu care churn record cus_01jd5w3k8e7r9s2t4v6x8y0z1a price/too-high --recoverable
    """
    told: dict[str, Any] = {"customer_id": customer_id, "reason_path": reason, "competitor": competitor, "note": note}
    with client() as connected:
        recorded = connected.care.record_churn(record={**told, "recoverable": recoverable})
    if as_json:
        print_json(as_dict(recorded))
    else:
        console.print(f"{recorded.id}  {recorded.customer_id} left: {recorded.reason_path}")


@churn.command("reasons")
def reasons(as_json: AsJson = False) -> None:
    """List the reasons to leave that a record may name.

    [bold]Example:[/bold] kehu care churn reasons
    """
    from libs.command.views import retention as views

    with client() as connected:
        known = connected.care.get_churn_reasons()
    if as_json:
        print_json(as_dict(known))
    else:
        console.print(views.reasons(known))


@churn.command("list")
def list_records(
    customer_id: Annotated[str, typer.Option("--customer", help="Of one customer, cus_….")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List who left and why, the latest first.

    [bold]Example:[/bold] kehu care churn list
    """
    from libs.command.views import retention as views

    filter = f'customer_id = "{customer_id}"' if customer_id else ""
    with client() as connected:
        found = list(islice(connected.care.list_churn_records(filter=filter), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.departures(found))


@churn.command("worth")
def worth(customer_id: CustomerId, as_json: AsJson = False) -> None:
    """Work out what winning a customer back is worth, and what is against it.

    [bold]Example:[/bold] kehu care churn worth cus_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import retention as views

    with client() as connected:
        found = connected.care.evaluate_win_back(customer_id=customer_id)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.estimate(found))


def _tell(alert: Alert, *, as_json: bool) -> None:
    from libs.command.views import retention as views

    if as_json:
        print_json(as_dict(alert))
    else:
        console.print(views.alert(alert, datetime.now(UTC)))
