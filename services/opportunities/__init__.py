"""Leads, deals and the forecast of what they will bring."""
