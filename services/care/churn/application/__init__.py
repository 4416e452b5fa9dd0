"""Use-cases of churn."""
