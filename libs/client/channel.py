"""Channels to our servers: calls spread over all processes behind a name, dead connections noticed."""

from __future__ import annotations

import json

import grpc

from libs.engine.rpc.secure import channel
from libs.engine.tls import Tls

_NAMES = ("dns:", "ipv4:", "ipv6:")
"""Beginnings of targets that may stand for several processes."""

_RETRY: dict[str, object] = {
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


def connect(target: str, *, retry: bool = False, tls: Tls | None = None) -> grpc.Channel:
    """A channel to `dns:///name:port`, to `ipv4:address:port,address:port` or to a single `host:port`.

    With `retry` the channel itself repeats calls that were answered UNAVAILABLE; the client of Kehu does not ask for
    it, since it repeats on its own terms (deadline, budget, the pause that the server names). With `tls` it speaks to
    nobody whose certificate the authorities do not vouch for.
    """
    options = (
        ("grpc.service_config", json.dumps(service_config(target, retry=retry))),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", 4 * 1024 * 1024),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 3_000),
        # A name is looked up again when a process behind it goes. The usual pause of 30 s between two look-ups is
        # longer than a rolling restart takes: the last known process would go before the new ones are known.
        ("grpc.dns_min_time_between_resolutions_ms", 500),
    )
    if tls is None:
        return grpc.insecure_channel(target, options=options)
    return channel(tls, lambda credentials: grpc.secure_channel(target, credentials, options=options))


def service_config(target: str, *, retry: bool = False) -> dict[str, object]:
    """The gRPC service config for a target, for clients in any language."""
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}], **(_RETRY if retry else {})}
    if target.startswith(_NAMES):
        # A process that is about to stop says so here first, and calls go to the others. Without it clients go on
        # sending until the connection closes, and grpc itself answers what is on its way at that moment with CANCELLED.
        config["healthCheckConfig"] = {"serviceName": "readiness"}
    return config
