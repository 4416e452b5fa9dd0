"""Rules of churn: records, winning back, reviews."""
