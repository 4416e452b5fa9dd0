"""Figures of one customer as they are read, each with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from libs.chassis.domain import InvalidArgument, OpenEnum
from services.profiles.activity.domain.transactions import Money
from services.profiles.worth.domain.contribution import CurrencyContribution
from services.profiles.worth.domain.dormancy import Silence
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.models import ClvModel
from services.profiles.worth.domain.tiers import TierAssignment, TierEvaluation, TierReason, TierWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """Contribution of a customer, by currency."""

    customer_id: str
    currencies: tuple[CurrencyContribution, ...]
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcentrationReport:
    """The measured concentration."""

    evaluation: TierEvaluation
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStanding:
    """The tier of a customer with the watch over a fall, and the contribution as it is known today."""

    tier_assignment: TierAssignment
    reason: TierReason
    """GRACE while a fall is watched."""
    watch: TierWatch | None
    restated_contribution: Money | None
    """Of the window of the evidence, when late transactions changed it. The tier changes at the next evaluation."""
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Clv:
    """Contribution of a customer that is still to come, with everything that the value depends on."""

    customer_id: str
    value: Money
    horizon_months: int
    margin: float
    discount: float
    expected_purchases: float
    expected_spend: Money
    model_id: str
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class ClvReport:
    """A fit with its diagnostics."""

    model: ClvModel
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class AliveProbability:
    """The probability that a customer has not left."""

    customer_id: str
    probability: float
    considered_alive: bool
    repeat_count: int
    last_weeks: float
    age_weeks: float
    model_id: str
    basis: Basis


class ShareMethod(OpenEnum):
    """Source of a share of customer."""

    SPEND = "SPEND"
    WALLET_ALLOCATION = "WALLET_ALLOCATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletShare:
    """The share that we have of what a customer spends in the category."""

    customer_id: str
    share: float
    method: ShareMethod
    own_sales: Money | None
    basis: Basis


def share_of_customer(
    customer_id: str, *, own_sales: Money | None, category_spend: Money | None, rank: int, brands: int, basis: Basis
) -> WalletShare:
    """By spend in the category where the caller knows it, else by the rank of the brand."""
    if category_spend is None or own_sales is None:
        share, method, own_sales = wallet_share(rank, brands), ShareMethod.WALLET_ALLOCATION, None
    else:
        if category_spend.minor_units <= 0:
            raise InvalidArgument.field("category_spend.minor_units", f"{category_spend.minor_units} is not above 0")
        if own_sales.minor_units > category_spend.minor_units:
            raise InvalidArgument.field(
                "category_spend.minor_units",
                f"{category_spend.minor_units} is less than the {own_sales.minor_units} spent with us: ask again, or "
                "give the rank of the brand",
            )
        # Who gave back more than was bought in the window spends nothing with us, not less.
        share, method = max(own_sales.minor_units, 0) / category_spend.minor_units, ShareMethod.SPEND
    return WalletShare(customer_id=customer_id, share=share, method=method, own_sales=own_sales, basis=basis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dormancy:
    """Silence of a customer, unusual or not for that customer. See `Silence`."""

    customer_id: str
    dormant: bool
    gap_days: int
    limit_days: float
    median_days: float | None
    deviation_days: float | None
    floor_days: int
    gap_count: int
    last_purchase_date: date | None
    basis: Basis

    @classmethod
    def of(cls, customer_id: str, silence: Silence | None, floor_days: int, basis: Basis) -> Dormancy:
        """The answer. Who never bought is not dormant."""
        return cls(
            customer_id=customer_id,
            dormant=silence.dormant if silence else False,
            gap_days=silence.gap_days if silence else 0,
            limit_days=silence.limit_days if silence else float(floor_days),
            median_days=silence.median_days if silence else None,
            deviation_days=silence.deviation_days if silence else None,
            floor_days=floor_days,
            gap_count=silence.gap_count if silence else 0,
            last_purchase_date=silence.last_purchase_date if silence else None,
            basis=basis,
        )


def wallet_share(rank: int, brands: int) -> float:
    """The share of a customer's spend that a brand gets by its rank among those used: `(1 - rank / (n + 1)) * 2 / n`.

    Keiningham, Aksoy, Buoye and Cooil, "Customer loyalty isn't enough. Grow your share of wallet", Harvard Business
    Review 89(10), 2011.
    """
    if not 1 <= rank <= brands:
        raise InvalidArgument.field("brand_rank", f"{rank} is no rank among {brands} brands")
    return (1 - rank / (brands + 1)) * 2 / brands
