"""Two workers, unknown results, dead processes and outages: nothing twice, nothing at a wrong hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.care.senders.domain import Fate, Message
from services.care.touches.application.firing import Firing, Waits
from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import PLAN, Care, Heard, Provider, active, sender
from tests.unit.care.sending import BIRTHDAY, due, fire, go, mailbox, planned, touches


def test_t17_two_workers_with_the_same_list_send_once(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    same = due(world)
    second = Firing(world.store.touches, ports=lambda _: provider)
    provider.before = lambda _: second.fire(same)  # the other worker, while the first one sends
    Firing(world.store.touches, ports=lambda _: provider).fire(same)
    second.fire(same)
    assert len(provider.sent) == 1
    [touch] = touches(world)
    assert (touch.state, touch.attempts) == (TouchState.SENT, 1)
    assert touch.worker.startswith("wrk_")


@pytest.mark.parametrize("kept", [True, False], ids=["the provider has it", "the provider never saw it"])
def test_t18_after_an_unknown_result_the_provider_is_asked_before_anything_is_sent_again(
    world: Care, heard: Heard, provider: Provider, kept: bool
) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    provider.fates, provider.keeps = [Fate.UNKNOWN], kept
    fire(world, provider)
    [touch] = touches(world)
    assert touch.state is TouchState.CLAIMED
    go(world, BIRTHDAY + timedelta(minutes=5))
    fire(world, provider)
    assert provider.asked == [touch.id]
    fire(world, provider)
    assert [each.key for each in provider.sent] == [touch.id]
    assert touches(world)[0].state is TouchState.SENT


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("can_find", [True, False])
def test_a_worker_that_dies_in_the_middle_sends_nothing_twice(
    world: Care, heard: Heard, provider: Provider, can_find: bool
) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    provider.can_find = can_find

    def die(message: Message) -> None:
        provider.sent.append(message)
        raise Killed

    provider.before = die
    with pytest.raises(Killed):
        fire(world, provider)
    provider.before = lambda _: None
    fire(world, provider)  # the claim holds: nobody else sends
    assert provider.asked == []
    go(world, BIRTHDAY + timedelta(minutes=5))
    for _ in range(3):
        fire(world, provider)
    assert len(provider.sent) == 1
    assert touches(world)[0].state is (TouchState.SENT if can_find else TouchState.UNCERTAIN)


def test_t19_after_an_outage_of_a_day_the_rate_holds_and_late_greetings_lapse(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world, {**PLAN, "useful_days": 0})
    sender(world, rate_per_minute=5)
    for n in range(12):
        heard(contact_points=[mailbox(n)])
    active(world, {**PLAN, "useful_days": 3}, display_name="Later will do")
    planned(world)
    minutes: list[int] = []
    start = datetime(2026, 3, 4, 1, tzinfo=UTC)  # a day later
    for minute in range(4):
        go(world, start + timedelta(minutes=minute))
        before = len(provider.sent)
        for _ in range(3):
            try:
                fire(world, provider)
            except Waits:
                break
        minutes.append(len(provider.sent) - before)
    assert minutes == [5, 5, 2, 0]
    ended = [each for each in touches(world) if each.state is TouchState.LAPSED]
    assert len(ended) == 12
    assert {finding.reason for each in ended for finding in each.findings} == {"TOO_LATE"}
    assert len({each.key for each in provider.sent}) == 12


def test_what_is_refused_for_good_fails_and_what_passes_is_tried_again(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world)
    sender(world)
    heard(contact_points=[mailbox(1)])
    heard(contact_points=[mailbox(2)])
    planned(world)
    go(world, BIRTHDAY)
    provider.fates = [Fate.REFUSED, Fate.NOT_NOW]
    fire(world, provider)
    assert sorted(each.state for each in touches(world)) == [TouchState.DEFERRED, TouchState.FAILED]
    fire(world, provider)
    assert provider.sent == []
    go(world, BIRTHDAY + timedelta(minutes=1))
    fire(world, provider)
    assert len(provider.sent) == 1
