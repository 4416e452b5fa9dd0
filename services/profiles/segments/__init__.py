"""Segments: groups of customers defined by a filter."""
