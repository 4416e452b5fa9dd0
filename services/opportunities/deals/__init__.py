"""Deals: what customers may buy, where each stands, and every change on the way."""
