"""Use-cases of identity."""
