"""Schedules: long work that starts again every so many days."""
