"""Customers: who they are, how they may be reached, what they agreed to, to whom they belong and what they bought."""
