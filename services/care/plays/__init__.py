"""Plays: what is done about an alert, step by step, and what that is worth."""
