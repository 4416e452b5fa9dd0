"""Entities, events and rules of privacy."""
