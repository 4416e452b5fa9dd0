"""The declarations of metrics."""

from __future__ import annotations

from libs.chassis import metrics


def test_the_text_format_is_served() -> None:
    metrics.LEASE_CHANGES.labels("test").inc()
    text = metrics.render().decode()
    assert 'kehu_lease_changes_total{lease="test"} 1.0' in text
    assert "# HELP grpc_server_handled_total Calls that ended, by status code." in text
