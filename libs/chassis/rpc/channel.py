"""Channels to our servers: calls spread over all processes behind a name, dead connections noticed."""

from __future__ import annotations

import json

import grpc

_BALANCED: dict[str, object] = {
    "loadBalancingConfig": [{"round_robin": {}}],
    # A server that is about to stop says so here first. Without it clients go on sending until the connection closes,
    # and what is on its way at that moment is answered CANCELLED by grpc itself, which nobody may repeat blindly.
    "healthCheckConfig": {"serviceName": "readiness"},
}

_PATIENT = {
    **_BALANCED,
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # At most a tenth of the calls may be repeats, so that clients do not keep a server down that tries to get up.
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}


def connect(target: str, *, retry: bool = False) -> grpc.Channel:
    """A channel to `dns:///name:port` or `host:port`.

    With `retry` the channel itself repeats calls that were answered UNAVAILABLE; the client of Kehu does not ask for
    it, since it repeats on its own terms (deadline, budget, the pause that the server names).
    """
    return grpc.insecure_channel(
        target,
        options=(
            ("grpc.service_config", json.dumps(_PATIENT if retry else _BALANCED)),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.max_receive_message_length", 4 * 1024 * 1024),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 3_000),
        ),
    )
