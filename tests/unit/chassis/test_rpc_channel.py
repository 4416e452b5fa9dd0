"""What a channel is told about a target."""

from __future__ import annotations

from typing import Any

import pytest

from libs.client.channel import service_config


@pytest.mark.parametrize("target", ["dns:///profiles:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051"])
def test_a_name_leads_to_those_of_its_processes_that_are_ready(target: str) -> None:
    config = service_config(target)
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert config["healthCheckConfig"] == {"serviceName": "readiness"}


def test_a_single_address_is_called_as_long_as_it_answers() -> None:
    assert "healthCheckConfig" not in service_config("127.0.0.1:50051")


def test_only_what_surely_was_not_done_is_repeated_by_a_channel() -> None:
    config: Any = service_config("dns:///profiles:50051", retry=True)
    assert config["methodConfig"][0]["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert "methodConfig" not in service_config("dns:///profiles:50051")
