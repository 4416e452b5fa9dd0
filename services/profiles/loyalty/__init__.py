"""Loyalty: months measured over all customers or those of a segment."""
