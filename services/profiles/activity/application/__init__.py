"""Use-cases of activity."""
