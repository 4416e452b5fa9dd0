"""Entities, figures and rules of quality."""
