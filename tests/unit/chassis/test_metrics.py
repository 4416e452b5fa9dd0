"""The declarations of metrics."""

from __future__ import annotations

from pathlib import Path

from libs.engine import metrics
from libs.engine.inbox.consumer import OUTCOMES, begin_counting


def test_the_text_format_is_served() -> None:
    metrics.LEASE_CHANGES.labels("test").inc()
    text = metrics.render().decode()
    assert 'kehu_lease_changes_total{lease="test"} 1.0' in text
    assert "# HELP grpc_server_handled_total Calls that ended, by status code." in text
    assert "_created" not in text


def test_rare_things_are_counted_from_zero_so_that_the_first_is_seen() -> None:
    begin_counting("new")
    text = metrics.render().decode()
    for outcome in OUTCOMES:
        assert f'kehu_inbox_events_total{{outcome="{outcome}",subscription="new"}} 0.0' in text
    for name in ("duplicates", "parked", "retried"):
        assert f'kehu_inbox_{name}_total{{subscription="new"}} 0.0' in text


def test_the_limit_of_memory_is_that_of_the_container(tmp_path: Path) -> None:
    machine = metrics.memory_limit(tmp_path)
    assert machine > 2**27
    (tmp_path / "memory.max").write_text("max\n")
    assert metrics.memory_limit(tmp_path) == machine
    (tmp_path / "memory.max").write_text("268435456\n")
    assert metrics.memory_limit(tmp_path) == 2**28
    (tmp_path / "memory.max").unlink()
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("134217728\n")
    assert metrics.memory_limit(tmp_path) == 2**27
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert metrics.memory_limit(tmp_path) == machine
