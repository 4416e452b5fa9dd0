"""What tests of several tiers share: builders with defaults, and nothing that stands in for our own code."""
