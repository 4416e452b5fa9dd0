"""Conversations: interactions that belong together."""
