"""Views of worth: concentration, loyalty, and the sheet of one customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kehu.common.v1.types_pb2 import Money
from kehu.profiles.v1 import clv_pb2, loyalty_pb2, measures_pb2, retention_pb2, rfm_pb2, tiers_pb2
from kehu.profiles.v1 import worth_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.client.values import from_money
from libs.command.views.words import moment, name_of, spark

COLOURS = {"A": "green", "B": "cyan", "C": "white", "LOSS": "red"}
_WIDTH = 40
MOST_MONTHS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Worth of one customer. What has not been computed, or does not apply, is None."""

    contribution: pb.Contribution | None
    tier: tiers_pb2.TierStanding | None
    rfm: rfm_pb2.Rfm | None
    clv: clv_pb2.Clv | None
    alive: clv_pb2.AliveProbability | None
    dormancy: pb.Dormancy | None
    warning: pb.EarlyWarning | None

    def __bool__(self) -> bool:
        """There is something to show."""
        bought = self.contribution is not None and len(self.contribution.currencies) > 0
        warned = self.warning is not None and self.warning.score > 0
        return bought or warned or self.tier is not None or self.clv is not None


def amount(money: Money) -> str:
    """`1,234.50 EUR`."""
    return f"{from_money(money):,} {money.currency_code}"


def sheet(found: Sheet) -> RenderableType:
    """A line for each figure, with what it depends on."""
    if not found:
        return Text("nothing is known of what this customer is worth", style="dim")
    table = Table.grid(padding=(0, 2, 0, 0))
    for heading, line in _lines(found):
        table.add_row(Text(heading, style="dim"), Text.from_markup(line))
    return table


def _lines(found: Sheet) -> list[tuple[str, str]]:
    lines = []
    if found.tier is not None:
        lines.append(("tier", _tier(found.tier)))
    if found.contribution is not None:
        lines += [("contribution", _contribution(each)) for each in found.contribution.currencies]
    if found.rfm is not None:
        lines.append(("recency, frequency, money", _rfm(found.rfm)))
    if found.clv is not None:
        lines.append(("value to come", _clv(found.clv)))
    if found.alive is not None:
        still = "still a customer" if found.alive.considered_alive else "[yellow]probably gone[/yellow]"
        lines.append(("alive", f"{found.alive.probability:.0%} by the model, {still}"))
    if found.dormancy is not None and found.dormancy.HasField("last_purchase_date"):
        lines.append(("rhythm", _rhythm(found.dormancy)))
    if found.warning is not None:
        lines += _warning(found.warning)
    return lines


def _tier(standing: tiers_pb2.TierStanding) -> str:
    assignment = standing.tier_assignment
    name = name_of(assignment, "tier")
    words = [f"[bold {COLOURS.get(name, 'white')}]{name}[/] since {moment(assignment.start_time)[:10]}"]
    reason = name_of(standing, "reason")
    if reason == "GRACE":
        watch = standing.watch
        words.append(f"[yellow]below it in {watch.evaluation_count} evaluations[/yellow]")
    if reason == "OVERRIDE":
        until = moment(assignment.override.expire_time)[:10]
        words.append(f"[magenta]given by {escape(assignment.override.actor)} until {until}[/magenta]: ")
        words.append(escape(assignment.override.note))
    if standing.HasField("restated_contribution"):
        told, now = assignment.evidence.contribution, standing.restated_contribution
        words.append(f"[yellow]contribution restated from {amount(told)} to {amount(now)}[/yellow]")
    return " · ".join(words)


def _contribution(each: pb.CurrencyContribution) -> str:
    colour = "red" if each.contribution.minor_units < 0 else "bold"
    parts = [f"sales {from_money(each.sales):,}"]
    for name in ("refunds", "fees", "direct_cost", "cost_to_serve", "goodwill"):
        part = getattr(each, name)
        if part.minor_units:
            sign = "+" if name == "fees" else "-"
            parts.append(f"{sign} {name.replace('_', ' ')} {from_money(part):,}")
    return f"[{colour}]{amount(each.contribution)}[/] [dim]in a year: {' '.join(parts)}[/dim]"


def _rfm(rfm: rfm_pb2.Rfm) -> str:
    scores = f"{rfm.recency_score}{rfm.frequency_score}{rfm.monetary_score}"
    return (
        f"[bold]{scores}[/bold] [dim]{rfm.recency_days} days, {rfm.frequency} sales, {amount(rfm.monetary)}; "
        f"among {rfm.table.customer_count:,} customers[/dim]"
    )


def _clv(clv: clv_pb2.Clv) -> str:
    return (
        f"[bold]{amount(clv.value)}[/bold] [dim]in {clv.horizon_months} months at a margin of {clv.margin:.0%} and a "
        f"discount of {clv.discount:.1%}: {clv.expected_purchases:.1f} purchases of {amount(clv.expected_spend)}[/dim]"
    )


def _rhythm(dormancy: pb.Dormancy) -> str:
    gap = f"{dormancy.gap_days} days since the last purchase"
    mark = "[yellow]dormant[/yellow]" if dormancy.dormant else "[green]as ever[/green]"
    usual = f"usually {dormancy.median_days:g}, " if dormancy.HasField("median_days") else ""
    return f"{mark}, {gap} [dim]({usual}dormant over {dormancy.limit_days:g})[/dim]"


def _warning(warning: pb.EarlyWarning) -> list[tuple[str, str]]:
    colour = "red" if warning.score >= 60 else "yellow" if warning.score >= 30 else "green"
    bar = "█" * round(warning.score / 5)
    lines = [("early warning", f"[{colour}]{warning.score:.0f} of 100[/] {bar}")]
    lines += [("", f"[dim]+{s.points:g}  {escape(s.explanation)}[/dim]") for s in warning.signals if s.points]
    return lines


def concentration(report: tiers_pb2.ConcentrationReport) -> RenderableType:
    """Shows the concentration of contribution."""
    evaluation = report.evaluation
    measured = evaluation.concentration
    currency = evaluation.currency_code

    def money(minor_units: int) -> str:
        return f"{from_money(Money(currency_code=currency, minor_units=minor_units)):,}"

    headline = (
        f"[bold]{measured.most_share:.1%}[/bold] of the customers ({measured.most_count:,} of "
        f"{measured.customer_count:,}) make 80 % of the contribution; the top fifth makes "
        f"[bold]{measured.top_fifth_share:.1%}[/bold]; Gini {measured.gini:.3f}"
    )
    table = Table("", "customers", "contribution", "", box=None, header_style="dim", padding=(0, 2, 0, 0))
    most = max((abs(each.contribution) for each in measured.classes), default=0) or 1
    for each in measured.classes:
        name = name_of(each, "tier")
        bar = "█" * round(_WIDTH * abs(each.contribution) / most)
        table.add_row(
            Text(name, style="bold"),
            f"{each.customer_count:,}",
            Text(money(each.contribution), justify="right"),
            Text(bar, style=COLOURS.get(name, "white")),
        )
    parts: list[RenderableType] = [Text.from_markup(headline), Text(), table, Text()]
    if evaluation.other_currency_counts:
        others = ", ".join(f"{code} {count:,}" for code, count in sorted(evaluation.other_currency_counts.items()))
        parts.append(Text(f"left out, customers by other currency: {others}", style="yellow"))
    if evaluation.uncosted_sale_count:
        parts.append(Text(f"{evaluation.uncosted_sale_count:,} sales count in full: no cost was told", style="yellow"))
    window = evaluation.window
    parts.append(
        Text(
            f"{moment(window.start_time)[:10]} to {moment(window.end_time)[:10]}, {currency}, "
            f"policy version {evaluation.policy_version}, {evaluation.id}",
            style="dim",
        )
    )
    return Group(*parts)


def loyalty(months: Sequence[loyalty_pb2.LoyaltyMeasures]) -> RenderableType:
    """A row for each month, the oldest first, and the base as a line of bars."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("month", "base", "new", "new stay", "regulars stay", "churn", "sales each", "spend", ""):
        table.add_column(heading, justify="left" if heading in ("month", "") else "right")
    ordered = sorted(months, key=lambda each: each.month)[-MOST_MONTHS:]
    for each in ordered:
        table.add_row(
            each.month,
            f"{each.base:,}",
            f"{each.new_customers:,}",
            _share(each, "new_retention"),
            _share(each, "regular_retention"),
            _share(each, "churn"),
            f"{each.frequency.value:.2f}" if each.HasField("frequency") else "",
            _spend(each),
            Text(f"restated, {len(each.restatements)} lines" if each.restatements else "", style="yellow"),
        )
    return Group(table, Text(), Text(f"base  {spark([each.base for each in ordered])}", style="cyan"))


def _share(month: loyalty_pb2.LoyaltyMeasures, name: str) -> str:
    if not month.HasField(name):  # type: ignore[arg-type]
        return "·"
    estimate: measures_pb2.Estimate = getattr(month, name)
    return f"{estimate.value:.0%} ({estimate.lower:.0%}-{estimate.upper:.0%})"


def _spend(month: loyalty_pb2.LoyaltyMeasures) -> str:
    if not month.HasField("average_spend"):
        return ""
    return amount(Money(currency_code=month.currency_code, minor_units=round(month.average_spend.value)))


def measure(described: measures_pb2.Measure) -> RenderableType:
    """Everything that is to be said of a measure."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("", Text(f"{described.title}  (version {described.version})", style="bold"))
    for name in ("formula", "unit", "grain", "window", "sample", "interval", "source", "caution"):
        if text := getattr(described, name):
            table.add_row(Text(name, style="dim"), text)
    return table


def model(fitted: clv_pb2.ClvModel) -> RenderableType:
    """Shows a fitted model and how far to trust it."""
    foretold = (
        f"{fitted.holdout_expected:,.0f} purchases foretold, {fitted.holdout_observed:,} made; "
        f"error {fitted.holdout_error:.3g}, of the plain average {fitted.holdout_naive_error:.3g}"
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    rows = (
        ("customers", f"{fitted.customer_count:,}, of whom {fitted.repeater_count:,} bought again"),
        ("purchases", f"r {fitted.r:.4g}, alpha {fitted.alpha:.4g} weeks, a {fitted.a:.4g}, b {fitted.b:.4g}"),
        ("spend", f"p {fitted.p:.4g}, q {fitted.q:.4g}, correlation with frequency {fitted.spend_correlation:.3f}"),
        (
            f"{fitted.holdout_weeks:.0f} weeks held out",
            foretold,
        ),
        ("alive", f"{fitted.mean_alive:.1%} on average"),
        ("value", f"{amount(fitted.total_value)} in {fitted.horizon_months} months"),
    )
    for heading, line in rows:
        table.add_row(Text(heading, style="dim"), line)
    return table


def contract_model(found: retention_pb2.ContractModel) -> RenderableType:
    """A row for each renewal: what was counted, what the model projects, and a bar of it."""
    table = Table("renewal", "at risk", "left", "stayed", "projected", "", box=None, header_style="dim")
    counted = {each.tenure: each for each in found.survival}
    for renewal, projected in enumerate(found.projected_survival, 1):
        each = counted.get(renewal)
        table.add_row(
            str(renewal),
            f"{each.at_risk:,}" if each else "",
            f"{each.lost:,}" if each else "",
            f"{each.share:.0%} ({each.lower:.0%}-{each.upper:.0%})" if each else "",
            f"{projected:.0%}",
            Text("█" * round(_WIDTH * projected), style="cyan"),
        )
    headline = f"{found.plan}: {found.customer_count:,} customers, {found.lost_count:,} left"
    return Group(Text(headline, style="bold"), Text(), table)


def policies(found: Sequence[tiers_pb2.TierPolicy], now: datetime) -> RenderableType:
    """A row for each version."""
    table = Table("policy", "version", "currency", "cuts", "review", "id", box=None, header_style="dim")
    for each in found:
        review = datetime(each.review_date.year, each.review_date.month, each.review_date.day, tzinfo=UTC)
        table.add_row(
            Text(each.name, style="bold"),
            str(each.version),
            each.currency_code,
            f"{each.a_per_mille / 10:g} % / {each.b_per_mille / 10:g} %",
            Text(f"{review:%Y-%m-%d}" + (" overdue" if review <= now else ""), style="red" if review <= now else ""),
            Text(each.id, style="dim"),
        )
    return table
