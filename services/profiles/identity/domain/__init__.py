"""Entities, events and rules of identity."""
