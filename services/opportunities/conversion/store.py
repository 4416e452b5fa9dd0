"""Conversions that were begun, and everything that they write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from libs.chassis.filtering import all_of, field
from libs.chassis.store import Database
from services.opportunities.deals.store import DealsStore
from services.opportunities.leads.domain.conversions import ConversionStep
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.store import CONVERTING, LeadsStore

FINISH_BATCH: Final = 100
"""Conversions that are looked at in one go."""


class ConversionStore:
    """The leads that are converted and the deals that they become."""

    def __init__(self, database: Database, leads: LeadsStore, deals: DealsStore) -> None:
        self.database = database
        self.leads, self.deals = leads, deals
        self.operations = leads.operations

    def interrupted(self, before: datetime, after: str) -> tuple[Sequence[Lead], str]:
        """(leads whose conversion was begun before a time and not ended, the place to go on from)."""
        unfinished = field("conversion.step").one_of([ConversionStep.BEGUN, ConversionStep.CUSTOMER])
        where = all_of(CONVERTING, unfinished, field("conversion.begin_time") < before)
        return self.leads.leads.stretch(where, order="conversion.begin_time", after=after, limit=FINISH_BATCH)
