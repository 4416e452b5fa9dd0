"""Leads: who might buy, how likely, and who takes care of them."""
