"""The projection of customers of the profiles service."""
