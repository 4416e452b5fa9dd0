"""Leads: who may become a customer, how promising each is, and what became of it."""
