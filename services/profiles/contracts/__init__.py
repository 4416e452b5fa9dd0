"""Contracts between customers and the company."""
