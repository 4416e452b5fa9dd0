"""Moves of rivals, and what to do about them on the deals that they touch."""
