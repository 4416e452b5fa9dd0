"""Entities, events and rules of ownership."""
