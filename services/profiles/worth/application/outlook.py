"""Use-cases of worth that are about one customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument
from services.profiles.activity.domain.habits import ContactRecord
from services.profiles.activity.domain.transactions import Money
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.lifecycle import FLOOR_DAYS
from services.profiles.worth.domain.answers import Contribution, Dormancy, WalletShare, share_of_customer
from services.profiles.worth.domain.contribution import CurrencyContribution, Window, check_currency
from services.profiles.worth.domain.dormancy import Silence, dormancy
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.warning import PERIOD, EarlyWarning, early_warning
from services.profiles.worth.store import WorthStore

MOST_SALES = 500


@dataclass(frozen=True, slots=True)
class Outlook:
    """Silence of a customer, with what speaks for leaving."""

    customer: Customer
    silence: Silence | None
    warning: EarlyWarning


class CustomerWorth:
    """Worth of single customers, worked out when it is asked for."""

    def __init__(self, store: WorthStore) -> None:
        self._store = store

    def contribution(self, customer_id: str, start: datetime | None, end: datetime | None) -> Contribution:
        """Contribution of a customer within a window, by currency."""
        customer = self._store.customers.resolve(customer_id)
        now = identity.now()
        window = Window.of(start, end, now)
        figures = self._store.figures(customer.group, window)
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
        customer = self._store.customers.resolve(customer_id)
        if (category_spend is None) == (rank == 0):
            raise InvalidArgument.field(
                "category_spend", "give either the spend in the category or the rank of the brand"
            )
        now = identity.now()
        window, own, count = Window.of(start, end, now), None, 1
        if category_spend is not None:
            currency = check_currency(category_spend.currency_code, "category_spend.currency_code")
            found = [f for f in self._store.figures(customer.group, window) if f.currency_code == currency]
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
        """Silence of a customer, unusual or not for that customer."""
        floor, now = floor_days or FLOOR_DAYS, identity.now()
        customer = self._store.customers.resolve(customer_id)
        silence = self._silence(customer, now, floor)
        count = silence.gap_count if silence else 0
        return Dormancy.of(customer.id, silence, floor, Basis.of("dormancy", None, now, count))

    def early_warning(self, customer_id: str) -> EarlyWarning:
        """The signals that a customer may leave, with what each adds."""
        [outlook] = self.outlooks([self._store.customers.resolve(customer_id)], identity.now(), floor_days=FLOOR_DAYS)
        return outlook.warning

    def outlooks(self, customers: Sequence[Customer], now: datetime, *, floor_days: int) -> list[Outlook]:
        """Silence, by a floor of its own, and warning of several customers, read together."""
        worth, groups = self._store, {each.id: each.group for each in customers}
        lately = worth.figures_by_customer(groups, Window(start_time=now - PERIOD, end_time=now))
        before = worth.figures_by_customer(groups, Window(start_time=now - 2 * PERIOD, end_time=now - PERIOD))
        contacts = {
            each.id: each for each in self._store.activity.contact_records([id for g in groups.values() for id in g])
        }
        days, window = self._days_of_purchase(customers), Window(start_time=now - 2 * PERIOD, end_time=now)
        found = []
        for each in customers:
            known = ContactRecord.of(each.id, [contacts[id] for id in each.group if id in contacts])
            figures = lately.get(each.id, []), before.get(each.id, [])
            count = sum(f.transaction_count for part in figures for f in part) + len(known.recent)
            today = now.astimezone(_zone(each)).date()
            warning = early_warning(
                each.id,
                silence=dormancy(days[each.id], today, floor_days=FLOOR_DAYS),
                lately=figures[0],
                before=figures[1],
                contacts=known,
                basis=Basis.of("early_warning", window, now, count),
            )
            found.append(Outlook(each, dormancy(days[each.id], today, floor_days=floor_days), warning))
        return found

    def _silence(self, customer: Customer, now: datetime, floor_days: int) -> Silence | None:
        today = now.astimezone(_zone(customer)).date()
        return dormancy(self._latest_days(customer), today, floor_days=floor_days)

    def _days_of_purchase(self, customers: Sequence[Customer]) -> dict[str, list[date]]:
        """Customer → days on which he or she bought, each in the customer's own time zone."""
        found: dict[str, list[date]] = {}
        by_zone = defaultdict(list)
        for each in customers:
            by_zone[_zone(each).key].append(each)
        for zone, theirs in by_zone.items():
            sums = self._store.figures_by_customer({each.id: each.group for each in theirs}, None, time_zone=zone)
            for each in theirs:
                sold = [day for day in sums.get(each.id, []) if day.sale_count]
                many = sum(day.sale_count for day in sold) > MOST_SALES
                found[each.id] = self._latest_days(each) if many else [day.day for day in sold if day.day]
        return found

    def _latest_days(self, customer: Customer) -> list[date]:
        sales = self._store.latest_sales(customer.group, MOST_SALES)
        return [at.astimezone(_zone(customer)).date() for at in sales]


def _zone(customer: Customer) -> ZoneInfo:
    return ZoneInfo(customer.preferences.time_zone or "UTC")
