"""The named measures: what each figure is, so that sales and service read the same one in the same way.

A figure that is worked out differently is a new version; answers name the version that they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import NotFound
from services.profiles.worth.domain.contribution import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure, described for those who read its figures."""

    name: str
    version: int = 1
    title: str
    formula: str
    unit: str
    grain: str
    """Subject of one figure."""
    window: str
    sample: str
    """Data that the figure rests on."""
    interval: str
    source: str
    """Publication of the formula."""
    caution: str = ""
    """Limits of the figure, and the cases in which it is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Basis of a figure in an answer."""

    measure: str
    version: int
    start_time: datetime | None
    end_time: datetime | None
    as_of_time: datetime
    """Time of the count, of what was known by then."""
    sample_size: int

    @classmethod
    def of(cls, name: str, window: Window | None, as_of: datetime, sample_size: int) -> Basis:
        """The basis of a figure of a named measure."""
        return cls(
            measure=name,
            version=describe(name).version,
            start_time=window.start_time if window else None,
            end_time=window.end_time if window else None,
            as_of_time=as_of,
            sample_size=sample_size,
        )


_ABSENT = "None: it is counted, not estimated."
_WILSON = "95 %, Wilson (1927)."
_A_CUSTOMER = "A customer."
_FADER_2005 = "Fader, Hardie and Lee, Marketing Science 24(2), 2005."
_MONTH = "A calendar month in the time zone of the computation; of all customers, or of the members of a segment."
_MODEL_CAUTION = (
    "A fit is refused under 100 repeaters, with impossible data, without a clear maximum, and when it foretells the "
    "time held out worse than the plain average does. "
)

MEASURES = (
    Measure(
        name="contribution",
        title="Contribution",
        formula="sales - refunds + fees - direct cost - cost to serve - goodwill; direct cost of refunds comes back",
        unit="Minor units of one currency; currencies are never added.",
        grain="A customer and a currency.",
        window="As asked for, a year by default; a transaction counts when it occurred.",
        sample="Transactions of the customer in the window.",
        interval=_ABSENT,
        source="S-022.",
        caution="A sale whose direct cost nobody told counts in full; `uncosted_sale_count` says how many there are.",
    ),
    Measure(
        name="concentration",
        title="Concentration of contribution",
        formula="share of the top fifth = sum of the ceil(n / 5) greatest / sum of positive contributions; "
        "Gini = 2 * sum(i * v_i) / (n * sum v) - (n + 1) / n, v ascending, without losses",
        unit="Shares of the positive contribution of one currency.",
        grain="All customers with transactions in the window.",
        window="That of the tier policy.",
        sample="Customers with transactions in the currency of the policy.",
        interval=_ABSENT,
        source="Pareto 1896; Gini 1912; Juran 1951.",
        caution="Customers with losses are counted and stand apart; their losses lower no share.",
    ),
    Measure(
        name="tier",
        title="Tier",
        formula="in descending order of contribution, ties by id: A while those before hold less than 80 % of the "
        "positive contribution, B while less than 95 %, else C; LOSS below zero; the cuts are those of the policy",
        unit="A, B, C or LOSS.",
        grain=_A_CUSTOMER,
        window="That of the tier policy.",
        sample="Customers with transactions in the currency of the policy.",
        interval=_ABSENT,
        source="Dickie 1951.",
        caution="A rise holds at once; a fall only after several evaluations clearly below the cut and after a grace "
        "period. An override holds until it expires. A late transaction changes the tier at the next evaluation only.",
    ),
    Measure(
        name="rfm",
        title="Recency, frequency, monetary value",
        formula="R = days since the last sale in the zone, F = number of sales, M = their sum; "
        "score = 1 + floor(5 * (rank - 1) / n) with average ties, or fixed breaks where F is heavily tied",
        unit="Days, sales, minor units; scores from 1 to 5.",
        grain=_A_CUSTOMER,
        window="As asked for at the computation, a year by default.",
        sample="Customers with sales in the currency in the window.",
        interval=_ABSENT,
        source="Hughes 1994; Bult and Wansbeek, Marketing Science 14(4), 1995.",
        caution="Scores compare customers with one another at one time; at the next computation they move with the "
        "others.",
    ),
    Measure(
        name="alive_probability",
        title="Probability to be alive",
        formula="1 / (1 + [x > 0] * a / (b + x - 1) * ((alpha + T) / (alpha + t_x))^(r + x))",
        unit="Probability.",
        grain=_A_CUSTOMER,
        window="That of the fit.",
        sample="Customers with purchases in the window of the fit.",
        interval="None; the fit tells its error in the time held out.",
        source=_FADER_2005,
        caution=_MODEL_CAUTION
        + "1 for who bought once is a property of the model: `considered_alive` adds an age rule.",
    ),
    Measure(
        name="clv",
        title="Customer lifetime value",
        formula="sum over months k of margin * E[M] * (E[Y(k)] - E[Y(k-1)]) / (1 + discount)^(k / 12)",
        unit="Minor units of one currency.",
        grain=_A_CUSTOMER,
        window="That of the fit.",
        sample="Customers with purchases in the window of the fit.",
        interval="None; the fit tells its error in the time held out.",
        source=_FADER_2005 + " Fader and Hardie, The gamma-gamma model of monetary value, 2013.",
        caution=_MODEL_CAUTION
        + "Refused, too, when spend goes with frequency (correlation of 0.2 or more) or has no mean.",
    ),
    Measure(
        name="contract_survival",
        title="Survival under contract",
        formula="counted: product over renewals of (at risk - lost) / at risk; "
        "projected: product over i <= t of (beta + i - 1) / (alpha + beta + i - 1)",
        unit="Share of customers.",
        grain="A plan and a number of renewals.",
        window="All contracts known.",
        sample="Customers with a contract of the plan; who is still there counts while he or she is.",
        interval="95 % of the counted share, Greenwood (1926).",
        source="Kaplan and Meier 1958; Fader and Hardie, Journal of Interactive Marketing 21(1), 2007.",
        caution="A fit is refused when fewer than 10 customers left or there were fewer than two renewals.",
    ),
    Measure(
        name="base",
        title="Customer base",
        formula="distinct customers with a sale in the month",
        unit="Customers.",
        grain=_MONTH,
        window="The month.",
        sample="Transactions of the month.",
        interval=_ABSENT,
        source="S-052.",
    ),
    Measure(
        name="new_retention",
        title="Retention of new customers",
        formula="new in the month and active in the next / new in the month",
        unit="Share.",
        grain=_MONTH,
        window="The month and the next; told when that is over.",
        sample="Customers whose first sale was in the month.",
        interval=_WILSON,
        source="S-052.",
    ),
    Measure(
        name="regular_retention",
        title="Retention of regular customers",
        formula="regulars of the month (active in two months or more) active in the next / regulars of the month",
        unit="Share.",
        grain=_MONTH,
        window="The month and the next; told when that is over.",
        sample="Regular customers of the month.",
        interval=_WILSON,
        source="S-052.",
    ),
    Measure(
        name="churn",
        title="Churn",
        formula="active in the month before and not in this / active in the month before; new ones are in neither",
        unit="Share; with `retention` of the same month it makes one.",
        grain=_MONTH,
        window="The month and the one before.",
        sample="Customers active in the month before.",
        interval=_WILSON,
        source="S-052.",
        caution="Who buys more seldom than monthly counts as lost and comes back: mind the rhythm of the trade.",
    ),
    Measure(
        name="frequency",
        title="Purchase frequency",
        formula="sales / active customers",
        unit="Sales for each active customer.",
        grain=_MONTH,
        window="The month.",
        sample="Active customers of the month.",
        interval="95 %, ratio estimator (Cochran 1977).",
        source="S-052.",
    ),
    Measure(
        name="average_spend",
        title="Average spend",
        formula="(sales - refunds) / number of sales; a refund counts in its own month",
        unit="Minor units of one currency for each sale.",
        grain=_MONTH,
        window="The month.",
        sample="Active customers of the month.",
        interval="95 %, ratio estimator (Cochran 1977).",
        source="S-052.",
    ),
    Measure(
        name="share_of_customer",
        title="Share of customer",
        formula="own sales / spend in the category; without that, by rank among brands: (1 - rank / (n + 1)) * 2 / n",
        unit="Share.",
        grain=_A_CUSTOMER,
        window="As asked for.",
        sample="The survey or estimate that the caller brings.",
        interval="None: the error is that of the survey.",
        source="Keiningham, Aksoy, Buoye and Cooil, Harvard Business Review 89(10), 2011.",
        caution="The rank rule knows ranks, not money.",
    ),
    Measure(
        name="dormancy",
        title="Dormancy",
        formula="gap since the last day of purchase > max(floor, median + 3 * 1.4826 * MAD) of the own gaps",
        unit="Days.",
        grain=_A_CUSTOMER,
        window="The latest 500 sales.",
        sample="Gaps between days of purchase of the customer.",
        interval=_ABSENT,
        source="Rousseeuw and Croux, JASA 88, 1993, for the deviation.",
        caution="Who bought on one day only is judged by the floor alone.",
    ),
    Measure(
        name="early_warning",
        title="Early warning",
        formula="sum over signals of weight * strength, strength from 0 to 1; each signal tells its own",
        unit="Points from 0 to 100.",
        grain=_A_CUSTOMER,
        window="Two times 90 days.",
        sample="Transactions and contacts of the customer.",
        interval="None: it is a rule, not an estimate.",
        source="S-044, S-048.",
        caution="Signals of behavior only; satisfied customers leave too, so no survey answer can hide one.",
    ),
)
_BY_NAME = {measure.name: measure for measure in MEASURES}


def describe(name: str) -> Measure:
    """The measure of this name."""
    if name not in _BY_NAME:
        raise NotFound(Measure, name)
    return _BY_NAME[name]
