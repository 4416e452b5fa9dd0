"""Reactions to events: at least once in, exactly once in effect, nothing dropped.

A subscription names event messages and a plain function. The function gets batches of decoded events, for one tenant at
a time and inside a transaction that also remembers their ids, so what it writes happens once however often an event is
delivered. What it raises decides the fate of an event (`fates`); one bad event never takes its neighbours along.

Everything here is plain code, which a thread can run. `entrypoint`, imported by `run` alone, makes nameko run it.
"""

from libs.chassis.inbox.fates import Permanent, Retryable, Transient
from libs.chassis.inbox.subscription import Received, Subscription

__all__ = ["Permanent", "Received", "Retryable", "Subscription", "Transient"]
