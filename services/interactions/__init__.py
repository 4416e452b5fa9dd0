"""Interactions with customers, the conversations that they form, and the promises given in them."""
