"""Customers, of whom no more is kept than who was merged and who is erased."""

from __future__ import annotations

from libs.chassis import customers


class CustomerProjection(customers.CustomerProjection):
    """A customer as far as this service has heard of it."""

    __slots__ = ()
