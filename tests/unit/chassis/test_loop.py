"""A loop begins again after whatever happens but wrong configuration, and tells how it is."""

from __future__ import annotations

import threading
import time
from typing import ClassVar

import pytest

from libs.engine import loop as module
from libs.engine import metrics
from libs.engine.loop import Loop
from libs.engine.settings import SettingsError


class Flaky(Loop):
    """Fails in a given way a number of times, then works until it is stopped."""

    interruptions: ClassVar = (OSError,)

    def __init__(self, *failures: Exception) -> None:
        super().__init__("flaky")
        self._left = list(failures)
        self.reasons: list[str | None] = []
        self.works = threading.Event()

    def _serve(self) -> None:
        self.reasons.append(self.why_not_ready())
        if self._left:
            raise self._left.pop(0)
        self.ready()
        self.works.set()
        self.stopping.wait(10)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.0)


def test_it_begins_again_after_an_interruption_and_says_why_it_was_not_ready() -> None:
    loop = Flaky(OSError("gone"), ConnectionResetError("again"))
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert loop.works.wait(5)
    assert loop.why_not_ready() is None
    assert loop.why_stalled() is None
    loop.stop()
    assert loop.wait(5)
    thread.join()
    assert loop.reasons[1:] == ["flaky: OSError: gone", "flaky: ConnectionResetError: again"]
    assert loop.why_not_ready() == "flaky: has stopped"


def test_it_begins_again_after_a_defect_which_is_counted_and_keeps_it_from_being_ready() -> None:
    counted = metrics.LOOP_FAILURES.labels("flaky")
    before = counted._value.get()
    loop = Flaky(ZeroDivisionError("nobody expected this"), KeyError("nor this"))
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert loop.works.wait(5)
    loop.stop()
    thread.join(5)
    assert loop.reasons[1:] == ["flaky: ZeroDivisionError: nobody expected this", "flaky: KeyError: 'nor this'"]
    assert counted._value.get() - before == 2


def test_wrong_configuration_ends_it_for_everybody_to_see() -> None:
    loop = Flaky(SettingsError("KEHU_X is wrong"))
    with pytest.raises(SettingsError):
        loop.run()
    assert loop.wait(0)


def test_silence_is_a_reason_to_restart_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Flaky()
    monkeypatch.setattr(loop, "_beat", loop._beat - 31)
    assert loop.why_stalled() == "flaky: no sign of life for 31 s"
    loop.beat()
    assert loop.why_stalled() is None


def test_the_process_is_as_stalled_as_the_loops_that_run_in_it() -> None:
    loop = Flaky()
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert loop.works.wait(5)
    assert module.why_stalled() is None
    loop._beat -= 31
    assert module.why_stalled() == "flaky: no sign of life for 31 s"
    loop.stop()
    thread.join(5)
    assert module.why_stalled() is None


def test_a_long_wait_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_AFTER", 0.2)
    monkeypatch.setattr(module, "_BEAT_EVERY", 0.05)
    loop = Flaky()
    waiting = threading.Thread(target=loop.rest, args=(60,))
    waiting.start()
    begun = time.monotonic()
    while time.monotonic() - begun < 0.6:
        assert loop.why_stalled() is None
        time.sleep(0.02)
    loop.stop()
    waiting.join(5)
    assert not waiting.is_alive()
