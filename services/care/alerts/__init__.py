"""Alerts: customers who may leave, why, and who does something about it."""
