"""Merged customers are greeted once, before and after the merge."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.care.touches.application.firing import Firing
from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import Care, Heard, Provider, active, sender
from tests.unit.care.sending import BIRTHDAY, due, fire, go, merge, planned, touches


@pytest.mark.parametrize("first", ["the absorbed", "the survivor"])
def test_t04_a_merge_after_one_was_sent_sends_no_second(
    world: Care, heard: Heard, provider: Provider, first: str
) -> None:
    active(world)
    sender(world)
    absorbed, survivor = heard(), heard()
    planned(world)
    go(world, BIRTHDAY)
    early = absorbed if first == "the absorbed" else survivor
    Firing(world.store.touches, ports=lambda _: provider).fire(
        [each for each in due(world) if each.customer_id == early]
    )
    assert len(provider.sent) == 1
    merge(world, absorbed, survivor)
    planned(world)
    fire(world, provider)
    go(world, BIRTHDAY + timedelta(hours=1))
    planned(world)
    fire(world, provider)
    assert len(provider.sent) == 1
    states = {each.customer_id: each.state for each in touches(world)}
    assert states == {
        early: TouchState.SENT,
        ({absorbed, survivor} - {early}).pop(): TouchState.SUPERSEDED,
    }


def test_a_merge_before_anything_was_sent_sends_once(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    absorbed, survivor = heard(), heard(dates=[])
    planned(world)
    merge(world, absorbed, survivor)
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    planned(world)
    fire(world, provider)
    assert len(provider.sent) == 1
    assert {each.customer_id: each.state for each in touches(world)} == {
        absorbed: TouchState.SUPERSEDED,
        survivor: TouchState.SENT,
    }
