"""Promises to customers, and the clock that watches over them."""
