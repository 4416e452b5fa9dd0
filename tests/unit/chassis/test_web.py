"""The web process: whose request it is, how many one address may make, and the key of forms."""

from __future__ import annotations

import time

import pytest

from libs.engine.run import web
from libs.engine.run.web import GUESS_COST, Limit, client_of, form_key
from libs.engine.settings import Settings


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which stands still."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_half_of_a_minute_at_once_and_then_as_many_as_come_in(clock: list[float]) -> None:
    limit = Limit(60)
    assert [limit.take("a") for _ in range(31)] == [True] * 30 + [False]
    assert limit.take("b"), "another address has its own"
    clock[0] += 2
    assert [limit.take("a") for _ in range(3)] == [True, True, False]


def test_guessing_costs_more_but_never_more_than_a_minute(clock: list[float]) -> None:
    limit = Limit(60)
    guesses = 0
    while limit.take("a"):
        limit.take("a", GUESS_COST)
        guesses += 1
    assert guesses <= 4
    clock[0] += 60
    assert limit.take("a")


def test_no_limit_is_no_limit_and_addresses_are_bounded(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(Limit(0).take("a") for _ in range(1_000))
    monkeypatch.setattr(web, "ADDRESSES_MAX", 10)
    limit = Limit(2)
    assert limit.take("first")
    assert not limit.take("first")
    for number in range(10):
        limit.take(str(number))
    assert limit.take("first"), "the one that was silent longest is forgotten"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "6.6.6.6", "10.0.0.1"),
        (1, "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        (2, "6.6.6.6, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        (1, "", "10.0.0.1"),
        (1, "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (1, "not an address", ""),
    ],
)
def test_an_address_is_what_our_own_proxies_saw(proxies: int, forwarded: str, seen: str) -> None:
    environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_of(environ, Settings(web_proxies=proxies)) == seen


def test_the_key_of_forms_is_not_that_of_pages() -> None:
    assert form_key(bytes(32)) == form_key(bytes(32)) != form_key(bytes(31) + b"1")
    assert form_key(bytes(32)) != bytes(32)
