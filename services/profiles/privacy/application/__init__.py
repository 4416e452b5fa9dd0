"""Use-cases of privacy."""
