"""Contact habits: the same whatever the order, the repeats and the batches in which contacts arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import NotFound
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.domain.habits import MOST_RECENT, ChannelUse, Contact, ContactRecord, Direction, HourUse
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.preferences import Preferences
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, person


def contact(
    id: str, at: datetime = NOW, channel: Channel = Channel.VOICE, direction: Direction = Direction.INBOUND
) -> Contact:
    return Contact(id=id, occurred_time=at, channel=channel, direction=direction)


def test_habits_show_what_is_usual_in_the_customers_own_hours(store: ProfilesStore) -> None:
    ada = store.customers.customers.insert(person(preferences=Preferences(time_zone="Europe/Berlin")).create())
    summer, winter = datetime(2026, 7, 1, 7, 5, tzinfo=UTC), datetime(2026, 1, 7, 8, 55, tzinfo=UTC)
    contacts = [
        contact("1", summer),
        contact("2", winter, Channel.EMAIL),
        contact("3", winter, Channel.EMAIL, Direction.OUTBOUND),
        contact("4", winter - timedelta(hours=1)),
        contact("5", winter - timedelta(days=1), Channel.EMAIL),
    ]
    Habits(store.activity).learn([(ada.id, each) for each in contacts])
    habits = Habits(store.activity).get(ada.id)
    assert (habits.last_contact_time, habits.last_inbound_time, habits.last_outbound_time) == (summer, summer, winter)
    assert habits.usual_hours == (HourUse(hour=9, recent_count=3), HourUse(hour=8, recent_count=1))
    assert habits.channels == (
        ChannelUse(channel=Channel.EMAIL, recent_count=3, last_time=winter),
        ChannelUse(channel=Channel.VOICE, recent_count=2, last_time=summer),
    )
    assert (habits.time_zone, habits.recent_count) == ("Europe/Berlin", 5)


def test_who_was_never_in_contact_has_empty_habits(store: ProfilesStore) -> None:
    ada = store.customers.customers.insert(person().create())
    habits = Habits(store.activity).get(ada.id)
    assert (habits.last_contact_time, habits.channels, habits.time_zone) == (None, (), "UTC")
    with pytest.raises(NotFound):
        Habits(store.activity).get("cus_0")


def test_only_the_latest_contacts_are_kept_but_the_last_one_of_each_channel_is_remembered() -> None:
    letter = contact("letter", NOW - timedelta(days=900), Channel.LETTER)
    calls = [contact(f"{n:03}", NOW - timedelta(days=n)) for n in range(MOST_RECENT + 20)]
    record = ContactRecord(id="cus_1").plus([letter]).plus(calls)
    assert len(record.recent) == MOST_RECENT
    letters = next(use for use in record.habits("").channels if use.channel is Channel.LETTER)
    assert (letters.recent_count, letters.last_time) == (0, letter.occurred_time)


CONTACTS = st.builds(
    contact,
    st.integers(0, 150).map(str),
    st.just(NOW),
    st.sampled_from([Channel.VOICE, Channel.EMAIL]),
    st.sampled_from(Direction),
).map(lambda each: contact(each.id, NOW - timedelta(hours=int(each.id)), each.channel, each.direction))


@given(st.lists(CONTACTS, max_size=200, unique_by=lambda each: each.id), st.randoms())
def test_late_repeated_and_reordered_contacts_make_no_difference(contacts: list[Contact], random: Any) -> None:
    record = ContactRecord(id="cus_1").plus(contacts)
    again = random.sample(contacts * 2, len(contacts) * 2)
    cut = random.randint(0, len(again))
    assert ContactRecord(id="cus_1").plus(again[:cut]).plus(again[cut:]) == record
