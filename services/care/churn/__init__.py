"""Churn: why customers left, who may be won back, and what every month came to."""
