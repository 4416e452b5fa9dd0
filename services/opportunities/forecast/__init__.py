"""Forecasts of open deals, and how sure they are."""
