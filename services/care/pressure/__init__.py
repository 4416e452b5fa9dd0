"""Pressure on customers: one ledger of everything that reaches a customer, whoever sends it, with caps."""
