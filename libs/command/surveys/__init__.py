"""Surveys as files: a design that people write, and responses as tables that programs read."""
