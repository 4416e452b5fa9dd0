"""Entities, events and rules of consent."""
