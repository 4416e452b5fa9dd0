"""Use-cases of customers."""
