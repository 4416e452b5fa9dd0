"""Counts of interactions by channel, for comparing with the counters of the sources."""

from __future__ import annotations

from collections.abc import Sequence

from libs.chassis import context, identity
from services.interactions.counts.domain import ChannelCount, ChannelDay, CountRange
from services.interactions.counts.store import CountsStore
from services.interactions.customers.domain import Channel
from services.interactions.timeline.domain import Interaction


class Counts:
    """Counters that follow the recorded contacts."""

    def __init__(self, store: CountsStore) -> None:
        self._store = store

    def by_channel(self, range: CountRange) -> list[ChannelCount]:
        """Numbers of interactions that occurred in a range, by channel. Channels without any are left out."""
        totals = dict.fromkeys(Channel, 0)
        for each in self._store.between(range.start_time.date(), range.end_time.date()):
            totals[each.channel] += each.within(range)
        return [ChannelCount(channel=channel, count=count) for channel, count in totals.items() if count]

    def count(self, recorded: Sequence[Interaction]) -> None:
        """Counts interactions that were recorded."""
        tenant = context.current().tenant
        self._store.days.upsert_many(((_day(tenant, each), each.occurred_time) for each in recorded), ChannelDay.count)


def _day(tenant: str, interaction: Interaction) -> ChannelDay:
    """The counter that an interaction belongs to, before anything was counted."""
    channel, day = interaction.channel, interaction.occurred_time.date()
    id = identity.derived_id(ChannelDay.ID_PREFIX, tenant, channel, day.isoformat())
    return ChannelDay(id=id, channel=channel, day=day)
