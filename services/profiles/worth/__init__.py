"""Worth: contribution, tiers, recency, lifetime value, warnings and lifecycles."""
