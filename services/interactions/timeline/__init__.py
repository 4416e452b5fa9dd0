"""Interactions: every contact with a customer, on every channel."""
