"""Surveys: asking well, measuring honestly, closing the loop."""
