"""Entities, events and rules of loyalty."""
