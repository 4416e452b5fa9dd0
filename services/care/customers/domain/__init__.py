"""Customers as far as care has to know them."""
