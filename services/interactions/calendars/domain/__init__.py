"""Calendars, and the terms that are counted in them."""
