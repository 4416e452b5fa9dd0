"""Entities, events and rules of segments."""
