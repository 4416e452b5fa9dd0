"""Transactions, habits and facts: customers as seen over time."""
