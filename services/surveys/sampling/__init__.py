"""Samples of customers: designs, sample sizes, frames and weights."""
