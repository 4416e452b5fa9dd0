"""Senders: defining them, and the ways to hand a message over."""
