"""Entities, events and rules of activity."""
