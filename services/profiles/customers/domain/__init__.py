"""Entities, events and rules of customers."""
