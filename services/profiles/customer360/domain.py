"""The parts of everything that is known about a customer."""

from __future__ import annotations

from enum import StrEnum


class Section(StrEnum):
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
