"""Use-cases of ownership."""
