"""Adherence: if attention comes when it is due, where there is none, and which rules wait for a review."""
