"""Consent: recorded decisions, their proof, and permission to send."""
