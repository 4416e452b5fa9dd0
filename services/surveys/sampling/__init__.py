"""Whom to ask: designs, sample sizes, frames and weights."""
