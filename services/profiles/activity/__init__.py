"""Transactions, habits of contact and facts: customers as seen over time."""
