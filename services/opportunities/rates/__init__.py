"""Exchange rates by day, and what an amount comes to in another currency."""
