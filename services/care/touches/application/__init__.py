"""Touches: planning, judging, sending, tasks and reports."""
