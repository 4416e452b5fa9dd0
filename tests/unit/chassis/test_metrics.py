"""The declarations of metrics."""

from __future__ import annotations

from libs.chassis import metrics


def test_the_text_format_is_served() -> None:
    metrics.PROCESS_INFO.labels("profiles", "api", "0.1.0").set(1)
    text = metrics.render().decode()
    assert 'kehu_process_info{role="api",service="profiles",version="0.1.0"} 1.0' in text
    assert "# HELP grpc_server_handled_total Calls that ended, by status code." in text
