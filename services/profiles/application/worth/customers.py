"""Use-cases of worth that are about one customer."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument
from services.profiles.domain.customers import Customer
from services.profiles.domain.habits import ContactRecord
from services.profiles.domain.transactions import Money
from services.profiles.domain.worth.answers import Contribution, Dormancy, WalletShare, share_of_customer
from services.profiles.domain.worth.contribution import CurrencyContribution, Window, check_currency
from services.profiles.domain.worth.dormancy import Silence, dormancy
from services.profiles.domain.worth.measures import Basis
from services.profiles.domain.worth.warning import PERIOD, EarlyWarning, early_warning
from services.profiles.store import ProfilesStore

FLOOR_DAYS = 30
MOST_SALES = 500


class CustomerWorth:
    """What is known of the worth of single customers, worked out when it is asked for."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store

    def contribution(self, customer_id: str, start: datetime | None, end: datetime | None) -> Contribution:
        """What a customer contributes within a window, by currency."""
        customer = self._store.customer(customer_id)
        now = identity.now()
        window = Window.of(start, end, now)
        figures = self._store.worth.figures(customer.group, window)
        return Contribution(
            customer_id=customer.id,
            currencies=tuple(map(CurrencyContribution.of, figures)),
            basis=Basis.of("contribution", window, now, sum(each.transaction_count for each in figures)),
        )

    def wallet_share(
        self,
        customer_id: str,
        *,
        category_spend: Money | None,
        rank: int,
        brands: int,
        start: datetime | None,
        end: datetime | None,
    ) -> WalletShare:
        """The share that we have of what a customer spends, by what the caller knows of it."""
        customer = self._store.customer(customer_id)
        if (category_spend is None) == (rank == 0):
            raise InvalidArgument.field(
                "category_spend", "give either the spend in the category or the rank of the brand"
            )
        now = identity.now()
        window, own, count = Window.of(start, end, now), None, 1
        if category_spend is not None:
            currency = check_currency(category_spend.currency_code, "category_spend.currency_code")
            found = [f for f in self._store.worth.figures(customer.group, window) if f.currency_code == currency]
            own = Money(currency_code=currency, minor_units=sum(each.net_sales for each in found))
            count = sum(each.transaction_count for each in found)
        return share_of_customer(
            customer.id,
            own_sales=own,
            category_spend=category_spend,
            rank=rank,
            brands=brands,
            basis=Basis.of("share_of_customer", window if own else None, now, count),
        )

    def dormancy(self, customer_id: str, floor_days: int) -> Dormancy:
        """Whether the silence of a customer is unusual for that customer."""
        floor, now = floor_days or FLOOR_DAYS, identity.now()
        customer = self._store.customer(customer_id)
        silence = self._silence(customer, now, floor)
        count = silence.gap_count if silence else 0
        return Dormancy.of(customer.id, silence, floor, Basis.of("dormancy", None, now, count))

    def early_warning(self, customer_id: str) -> EarlyWarning:
        """The signals that a customer may leave, with what each adds."""
        now = identity.now()
        customer = self._store.customer(customer_id)
        silence = self._silence(customer, now, FLOOR_DAYS)
        figures = self._store.worth.figures
        lately = figures(customer.group, Window(start_time=now - PERIOD, end_time=now))
        before = figures(customer.group, Window(start_time=now - 2 * PERIOD, end_time=now - PERIOD))
        contacts = ContactRecord.of(customer.id, self._store.contact_records(customer.group))
        count = sum(each.transaction_count for each in (*lately, *before)) + len(contacts.recent)
        window = Window(start_time=now - 2 * PERIOD, end_time=now)
        return early_warning(
            customer.id,
            silence=silence,
            lately=lately,
            before=before,
            contacts=contacts,
            basis=Basis.of("early_warning", window, now, count),
        )

    def _silence(self, customer: Customer, now: datetime, floor_days: int) -> Silence | None:
        zone = ZoneInfo(customer.preferences.time_zone or "UTC")
        sales = self._store.worth.latest_sales(customer.group, MOST_SALES)
        return dormancy(
            [at.astimezone(zone).date() for at in sales], now.astimezone(zone).date(), floor_days=floor_days
        )
