"""Counts of interactions by channel, for comparing with the counters of the sources."""
