"""Use-cases of worth."""
