"""`kehu worth`: what customers are worth, how few make how much, and the computations behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from libs.command.output import AsJson, Every, Failure, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.common.v1.operation_pb2 import Operation

    from libs.client.client import Client
    from libs.command.views.worth import Sheet

worth = typer.Typer(no_args_is_help=True, help="What customers are worth: tiers, contribution, loyalty, value to come.")

CustomerId = Annotated[str, typer.Argument(help="The id, cus_….")]
AsOf = Annotated[
    str,
    typer.Option("--as-of", help="The moment to compute as of, ISO 8601 such as 2026-06-30T00:00Z; now by default."),
]
Currency = Annotated[str, typer.Option(help="The currency that counts; others are left out, never added.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(worth, name="worth")


@worth.command("show")
def show(customer_id: CustomerId, as_json: AsJson = False) -> None:
    """Show what a customer is worth: tier, contribution, value to come, rhythm, and what speaks for leaving.

    [bold]Example:[/bold] kehu worth show cus_01jd…
    """
    with client() as connected:
        connected.profiles.get_customer(customer_id=customer_id)
        found = fetch(connected, customer_id)
    if as_json:
        print_json({name: as_dict(value) for name, value in _parts(found).items() if value is not None})
        return
    from libs.command.views.worth import sheet

    console.print(sheet(found))


@worth.command("report")
def report(as_json: AsJson = False) -> None:
    """Show how few customers make how much, by the latest evaluation.

    [bold]Example:[/bold] kehu worth report
    """
    with client() as connected:
        found = connected.profiles.get_concentration_report()
    if as_json:
        print_json(as_dict(found))
        return
    from libs.command.views.worth import concentration

    console.print(concentration(found))


@worth.command("policies")
def policies(as_json: AsJson = False) -> None:
    """List the versions of all tier policies, the newest first.

    [bold]Example:[/bold] kehu worth policies
    """
    with client() as connected:
        found = list(islice(connected.profiles.list_tier_policies(page_size=100), 100))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    from libs.command.views import worth as views

    console.print(views.policies(found, datetime.now(UTC)) if found else "There is none; see `kehu worth revise`.")


@worth.command("revise")
def revise(
    name: Annotated[str, typer.Argument(help="The name of the policy.")],
    currency: Currency,
    review: Annotated[str, typer.Option(help="When to look at it again, YYYY-MM-DD; in a year by default.")] = "",
    days: Annotated[int, typer.Option(help="How many days count.", min=1)] = 365,
    note: Annotated[str, typer.Option(help="Why it is as it is.")] = "",
) -> None:
    """Create the next version of a tier policy. Versions never change.

    [bold]Example:[/bold] kehu worth revise standard --currency EUR --note "first version"
    """
    try:
        day = datetime.strptime(review, "%Y-%m-%d").astimezone(UTC) if review else None
    except ValueError:
        raise Failure(f"--review is written YYYY-MM-DD, for example 2027-01-31, not {review!r}") from None
    last = (day or datetime.now(UTC) + timedelta(days=365)).date()
    with client() as connected:
        made = connected.profiles.create_tier_policy(
            tier_policy={
                "name": name,
                "currency_code": currency,
                "window_days": days,
                "note": note,
                "review_date": {"year": last.year, "month": last.month, "day": last.day},
            }
        )
    console.print(f"{made.name} version {made.version} is {made.id}; `kehu worth evaluate` applies the newest one")


@worth.command("evaluate")
def evaluate(
    policy_id: Annotated[str, typer.Argument(help="The policy, tpol_…; the newest one by default.")] = "",
    as_of: AsOf = "",
    as_json: AsJson = False,
) -> None:
    """Measure the concentration and give every customer a tier. Waits for the end.

    [bold]Example:[/bold] kehu worth evaluate
    """
    from kehu.profiles.v1.tiers_pb2 import EvaluateTiersResult

    with client(patient=True) as connected:
        if not policy_id:
            newest = next(iter(connected.profiles.list_tier_policies(page_size=1)), None)
            if newest is None:
                raise Failure("there is no tier policy yet; make one with `kehu worth revise standard --currency EUR`")
            policy_id = newest.id
        ended = _wait(
            connected, connected.profiles.evaluate_tiers(tier_policy_id=policy_id, **_moment(as_of)), quiet=as_json
        )
        told = EvaluateTiersResult()
        ended.result.Unpack(told)
        found = connected.profiles.get_concentration_report(evaluation_id=told.evaluation.id)
    if as_json:
        print_json(as_dict(told))
        return
    from libs.command.views.worth import concentration

    console.print(concentration(found))
    console.print(f"{told.changed_count:,} customers got another tier, {told.watched_count:,} are watched below theirs")
    if told.review_overdue:
        console.print("[red]the review of this policy is overdue[/red]")


@worth.command("lifecycles")
def lifecycles(
    *,
    floor: Annotated[int, typer.Option(help="Days of silence that are never unusual.", min=1, max=3660)] = 30,
    score: Annotated[int, typer.Option(help="Points of early warning that are a risk.", min=1, max=100)] = 50,
    preview: Annotated[bool, typer.Option("--preview", help="Count who would move, and move nobody.")] = False,
    every: Every = -1,
    as_json: AsJson = False,
) -> None:
    """Move who has gone quiet to dormant, who may leave to at risk, and who came back to active. Waits for the end.

    [bold]Example:[/bold] kehu worth lifecycles --preview
    """
    from kehu.profiles.v1.lifecycles_pb2 import EvaluateLifecyclesResult

    from libs.command.views.words import name_of, word

    with client(patient=True) as connected:
        asked = connected.profiles.evaluate_lifecycles(
            floor_days=floor,
            at_risk_score=score,
            validate_only=preview,
            every_days=every if every >= 0 and not preview else None,
        )
        ended = _wait(connected, asked, quiet=as_json)
    told = EvaluateLifecyclesResult()
    ended.result.Unpack(told)
    if as_json:
        print_json(as_dict(told))
        return
    console.print(f"{told.customer_count:,} customers looked at; {'would move' if preview else 'moved'}:")
    for each in told.counts:
        before, after = (word(name_of(each, name)) for name in ("from_lifecycle", "to_lifecycle"))
        console.print(f"  {each.customer_count:8,}  {before} → {after}")
    if not told.counts:
        console.print("  nobody")


@worth.command("rfm")
def rfm(
    currency: Currency,
    zone: Annotated[str, typer.Option(help="The zone of the days.")] = "UTC",
    days: Annotated[int, typer.Option(help="How many days until then are looked at.", min=1, max=3660)] = 365,
    as_of: AsOf = "",
) -> None:
    """Work out the scales of recency, frequency and monetary value. Waits for the end.

    [bold]Example:[/bold] kehu worth rfm --currency EUR --zone Asia/Shanghai
    """
    from kehu.profiles.v1.rfm_pb2 import RfmTable

    with client(patient=True) as connected:
        asked = connected.profiles.compute_rfm(
            currency_code=currency, time_zone=zone, window_days=days, **_moment(as_of)
        )
        ended = _wait(connected, asked)
    table = RfmTable()
    ended.result.Unpack(table)
    console.print(f"{table.customer_count:,} customers; the least for the scores 2, 3, 4, 5:")
    for name in ("recency", "frequency", "monetary"):
        scale = getattr(table, name)
        console.print(
            f"  {name:10} {', '.join(f'{each:,}' for each in scale.breaks)}  [dim]median {scale.median:g}[/dim]"
        )


@worth.command("fit")
def fit(
    currency: Currency,
    *,
    margin: Annotated[float, typer.Option(help="The share of sales that is contribution, for example 0.3.")],
    discount: Annotated[float, typer.Option(help="The discount for a year.")] = 0.1,
    months: Annotated[int, typer.Option(help="How far values look ahead.", min=1, max=120)] = 12,
    days: Annotated[int, typer.Option(help="How many days until then are looked at.", min=1, max=3660)] = 730,
    as_of: AsOf = "",
) -> None:
    """Fit the models of purchases and spend and value every customer. Waits for the end.

    [bold]Example:[/bold] kehu worth fit --currency EUR --margin 0.3
    """
    from kehu.profiles.v1.clv_pb2 import ClvModel

    from libs.command.views.worth import model

    with client(patient=True) as connected:
        asked = connected.profiles.fit_clv_model(
            currency_code=currency,
            margin=margin,
            discount=discount,
            horizon_months=months,
            window_days=days,
            **_moment(as_of),
        )
        ended = _wait(connected, asked)
    fitted = ClvModel()
    ended.result.Unpack(fitted)
    console.print(model(fitted))


@worth.command("contracts")
def contracts(
    plan: Annotated[str, typer.Argument(help="The plan of the contracts, for example gold-service.")],
    months: Annotated[int, typer.Option(help="Months between two renewals.", min=1, max=120)] = 12,
) -> None:
    """Count and project how long the customers of a plan stay. Waits for the end.

    [bold]Example:[/bold] kehu worth contracts gold-service
    """
    from kehu.profiles.v1.retention_pb2 import ContractModel

    from libs.command.views.worth import contract_model

    with client(patient=True) as connected:
        ended = _wait(connected, connected.profiles.fit_contract_model(plan=plan, period_months=months))
    found = ContractModel()
    ended.result.Unpack(found)
    console.print(contract_model(found))


@worth.command("loyalty")
def loyalty(
    currency: Currency,
    *,
    compute: Annotated[bool, typer.Option("--compute", help="Measure all months first.")] = False,
    segment: Annotated[str, typer.Option(help="Only of the members of this segment, by its key or id.")] = "",
    zone: Annotated[str, typer.Option(help="The zone of the months, with --compute.")] = "UTC",
    as_of: AsOf = "",
    as_json: AsJson = False,
) -> None:
    """Show who came, who stayed and who left, month by month, of all customers or of a segment.

    [bold]Examples:[/bold]

      kehu worth loyalty --currency EUR --compute\n
      kehu worth loyalty --currency EUR --segment gold --compute
    """
    from libs.command.views import worth as views

    with client(patient=compute) as connected:
        if compute:
            asked = connected.profiles.compute_loyalty_measures(
                currency_code=currency, time_zone=zone, segments=[segment] if segment else [], **_moment(as_of)
            )
            _wait(connected, asked, quiet=as_json)
        listed = connected.profiles.list_loyalty_measures(
            currency_code=currency, segment=segment, page_size=views.MOST_MONTHS
        )
        found = list(islice(listed, views.MOST_MONTHS))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    console.print(views.loyalty(found) if found else "Nothing was measured yet; add --compute.")


@worth.command("measures")
def measures(
    name: Annotated[str, typer.Argument(help="One of them; all by default.")] = "", as_json: AsJson = False
) -> None:
    """Explain the measures: formula, window, sample, interval, and what they do not say.

    [bold]Examples:[/bold] kehu worth measures · kehu worth measures churn
    """
    with client() as connected:
        if name:
            found: list[Any] = [connected.profiles.describe_measure(name=name)]
        else:
            found = list(connected.profiles.list_measures())
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    from libs.command.views.worth import measure

    for each in found:
        console.print(measure(each) if name else f"[bold]{each.name:18}[/bold] {each.title}")


def fetch(connected: Client, customer_id: str) -> Sheet:
    """Reads all that is known of one customer's worth, without what has not been computed yet."""
    from libs.client.errors import NotFound, PreconditionFailed
    from libs.command.views.worth import Sheet

    def attempt(call: Any) -> Any:
        try:
            return call(customer_id=customer_id)
        except (NotFound, PreconditionFailed):
            return None

    ask = connected.profiles
    return Sheet(
        contribution=attempt(ask.get_contribution),
        tier=attempt(ask.get_tier),
        rfm=attempt(ask.get_rfm),
        clv=attempt(ask.get_clv),
        alive=attempt(ask.get_alive_probability),
        dormancy=attempt(ask.get_dormancy),
        warning=attempt(ask.get_early_warning),
    )


def _moment(text: str) -> dict[str, datetime]:
    """The field of a request that names a moment. Nothing when none was given."""
    if not text:
        return {}
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"--as-of is written like 2026-06-30T00:00Z, not {text!r}") from None
    return {"as_of_time": at if at.tzinfo else at.replace(tzinfo=UTC)}


def _wait(connected: Client, operation: Operation, *, quiet: bool = False) -> Operation:
    from libs.command.commands.operation import follow

    return follow(connected, operation.id, quiet=quiet)


def _parts(found: Sheet) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}
