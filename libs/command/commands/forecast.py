"""`kehu forecast`: what deals will bring and how sure that is, plans beside it, and how closed deals ended."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

forecasts = typer.Typer(
    no_args_is_help=True, help="Forecasts: what deals will bring and how sure that is, and how closed ones ended."
)

PipelineId = Annotated[str, typer.Argument(help="The id pipe_….")]
Period = Annotated[str, typer.Option(help="2026, 2026-Q2 or 2026-P05; this quarter of the calendar when left out.")]
Named = Annotated[str, typer.Argument(help="A period: 2026, 2026-Q2 or 2026-P05.")]
Amount = Annotated[str, typer.Argument(help="An amount such as 12000.50, or `none` to take it back.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A night, by the day that began with it.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(forecasts, name="forecast")


@forecasts.command("show")
def show(
    pipeline_id: PipelineId,
    period: Period = "",
    owner: Annotated[str, typer.Option(help="Only what is this owner's.")] = "",
    convert: Annotated[str, typer.Option(help="Also show all of it in this currency.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a period brings: closed, open by category, slipped deals apart, and what people expect instead.

    [bold]Example:[/bold] kehu forecast show pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026-Q2 --convert EUR
    """
    from libs.command.views import board

    with client() as connected:
        found = connected.opportunities.get_forecast(
            pipeline_id=pipeline_id, owner=owner, convert_to=convert, **span(period)
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(board.forecast(found))


@forecasts.command("simulate")
def simulate(
    pipeline_id: PipelineId,
    period: Period = "",
    *,
    seed: Annotated[int, typer.Option(help="The same seed and deals give the same answer.", min=0)] = 0,
    draws: Annotated[int, typer.Option(help="How often everything is drawn.", min=1, max=100_000)] = 10_000,
    rho: Annotated[float, typer.Option(help="How much wins depend on each other; as learned when below 0.")] = -1.0,
    as_json: AsJson = False,
) -> None:
    """Draw what a period may bring, with the interval that eight of ten sums fall into. Waits for the end.

    [bold]Example:[/bold] kehu forecast simulate pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026-Q3 --seed 7
    """
    from kehu.opportunities.v1.models_pb2 import SimulatedForecast

    from libs.command.commands.operation import follow
    from libs.command.views import forecast as views

    asked: dict[str, Any] = {"seed": seed, "draws": draws, **span(period)}
    if rho >= 0:
        asked["rho"] = rho
    with client(patient=True) as connected:
        started = connected.opportunities.simulate_forecast(pipeline_id=pipeline_id, **asked)
        ended = follow(connected, started.id, quiet=as_json, service="opportunities")
    told = SimulatedForecast()
    ended.result.Unpack(told)
    if as_json:
        print_json(as_dict(told))
    else:
        console.print(views.simulation(told))


@forecasts.command("chart")
def chart(pipeline_id: PipelineId, period: Named, as_json: AsJson = False) -> None:
    """Draw the forecast of a period as it was on each of its nights: won so far, the interval and its middle.

    [bold]Example:[/bold] kehu forecast chart pipe_01jd5w3k8e7r9s2t4v6x8y0z1a 2026-Q3
    """
    from libs.command.views import forecast as views

    with client() as connected:
        every = connected.opportunities.list_forecast_snapshots(pipeline_id=pipeline_id, page_size=200)
        found = [each for each in every if each.period == period][::-1]
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(views.chart(found) if found else f"no night has kept a forecast of {period} yet")


@forecasts.command("override")
def override(
    pipeline_id: PipelineId,
    period: Named,
    amount: Amount,
    *,
    reason: Annotated[str, typer.Option(help="Why it is not what the sums say.")],
    owner: Annotated[str, typer.Option(help="Whose deals it is about; everybody's when left out.")] = "",
    currency: Annotated[str, typer.Option(help="Its currency; that of the pipeline when left out.")] = "",
) -> None:
    """Set what you expect of a period. It stands beside the sums, with your name and the reason.

    [bold]Example:[/bold] kehu forecast override pipe_01jd5w3k8e7r9s2t4v6x8y0z1a 2026-Q3 90000 --reason "they signed"
    """
    with client() as connected:
        money = _money(connected, pipeline_id, amount, currency)
        told = {"owner": owner, "reason": reason, "period": period, **money}
        connected.opportunities.override_forecast(pipeline_id=pipeline_id, **told)
    console.print("set; `kehu forecast show` has it beside the sums" if money else "withdrawn")


@forecasts.command("quota")
def quota(
    pipeline_id: PipelineId,
    period: Named,
    amount: Amount,
    of: Annotated[
        str, typer.Option(help="owner:ann, team:north, territory:eu and so on; everybody's when left out.")
    ] = "",
    currency: Annotated[str, typer.Option(help="Its currency; that of the pipeline when left out.")] = "",
) -> None:
    """Set what somebody is to win within a period.

    [bold]Example:[/bold] kehu forecast quota pipe_01jd5w3k8e7r9s2t4v6x8y0z1a 2026-Q3 90000 --of owner:ann
    """
    dimension, _, key = of.partition(":")
    whose = {"dimension": dimension.upper(), "key": key} if of else {}
    with client() as connected:
        money = _money(connected, pipeline_id, amount, currency)
        connected.opportunities.set_quota(pipeline_id=pipeline_id, period=period, **whose, **money)
    console.print("set; `kehu forecast coverage` tells what covers it" if money else "taken away")


@forecasts.command("coverage")
def coverage(pipeline_id: PipelineId, period: Period = "", as_json: AsJson = False) -> None:
    """Show the quotas of a period, and what there is to meet them with.

    [bold]Example:[/bold] kehu forecast coverage pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026-Q3
    """
    from libs.command.views import forecast as views

    with client() as connected:
        found = connected.opportunities.get_coverage(pipeline_id=pipeline_id, **span(period))
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.coverage(found) if found.coverages else "there is no quota; `kehu forecast quota` sets one")


@forecasts.command("compare")
def compare(pipeline_id: PipelineId, period: Named, before: Day, after: Day, as_json: AsJson = False) -> None:
    """Show what moved in the forecast of a period from one night to another.

    [bold]Example:[/bold] kehu forecast compare pipe_01jd5w3k8e7r9s2t4v6x8y0z1a 2026-Q3 2026-07-01 2026-08-01
    """
    from libs.command.views import forecast as views

    days = {"before_date": before.date(), "after_date": after.date()}
    with client() as connected:
        found = connected.opportunities.compare_snapshots(pipeline_id=pipeline_id, period=period, **days)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.comparison(found))


@forecasts.command("accuracy")
def accuracy(pipeline_id: PipelineId, period: Period = "", as_json: AsJson = False) -> None:
    """Show how good the forecasts of periods that are over turned out to be, by how far ahead they looked.

    [bold]Example:[/bold] kehu forecast accuracy pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026
    """
    from libs.command.views import forecast as views

    with client() as connected:
        found = connected.opportunities.get_forecast_accuracy(pipeline_id=pipeline_id, **span(period))
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.accuracy(found) if found.rows else "no period that is over has a snapshot")


@forecasts.command("slipped")
def slipped(
    pipeline_id: PipelineId,
    limit: Annotated[int, typer.Option(help="How many, the longest ago first.", min=1, max=500)] = 20,
    as_json: AsJson = False,
) -> None:
    """List open deals whose close date is over.

    [bold]Example:[/bold] kehu forecast slipped pipe_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import forecast as views

    with client() as connected:
        page = next(connected.opportunities.list_slipped_deals(pipeline_id=pipeline_id, page_size=limit).pages)
    if as_json:
        print_json([as_dict(each) for each in page.deals])
    else:
        console.print(views.late(page.deals, datetime.now(UTC).date()) if page.deals else "no deal is late")


@forecasts.command("report")
def report(
    pipeline_id: PipelineId,
    period: Period = "",
    by: Annotated[str, typer.Option(help="owner, team, territory, product, channel or competitor.")] = "all",
    *,
    monthly: Annotated[bool, typer.Option("--monthly", help="Tell months apart.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how deals ended that were closed within a period.

    [bold]Example:[/bold] kehu forecast report pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026 --by owner --monthly
    """
    from libs.command.views import board

    with client() as connected:
        found = connected.opportunities.get_sales_report(
            pipeline_id=pipeline_id, dimension=by.upper(), by_month=monthly, **span(period)
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(board.report(found))


def span(period: str) -> dict[str, Any]:
    """The fields of a request that name a period, or the days of this quarter of the calendar."""
    if period:
        return {"period": period}
    today = datetime.now(UTC).date()
    first = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    after = date(first.year + first.month // 10, (first.month + 2) % 12 + 1, 1)
    return {"start_date": first, "end_date": after - timedelta(days=1)}


def _money(connected: Any, pipeline_id: str, amount: str, currency: str) -> dict[str, Any]:
    from libs.client.values import to_money

    if amount == "none":
        return {}
    code = currency or connected.opportunities.get_pipeline(pipeline_id=pipeline_id).currency_code
    try:
        return {"amount": to_money(Decimal(amount), code)}
    except (InvalidOperation, ValueError) as error:
        raise Misuse(f"{amount} is no amount of {code}: {error}") from error
