"""The parts of everything that is known about a customer."""

from __future__ import annotations

from libs.chassis.domain import OpenEnum


class Section(OpenEnum):
    """A part that can be read, and fail, by itself."""

    CUSTOMER = "CUSTOMER"
    CONSENT = "CONSENT"
    RELATIONSHIPS = "RELATIONSHIPS"
    FACTS = "FACTS"
    TRANSACTIONS = "TRANSACTIONS"
    HABITS = "HABITS"
    SEGMENTS = "SEGMENTS"
    OWNERSHIP = "OWNERSHIP"
    ENTITLEMENTS = "ENTITLEMENTS"
    WORTH = "WORTH"
    INTERACTIONS = "INTERACTIONS"
