"""Scores, service-quality gaps, importance and performance, silent sufferers."""
