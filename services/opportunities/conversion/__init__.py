"""Conversion: leads become opportunities of customers."""
