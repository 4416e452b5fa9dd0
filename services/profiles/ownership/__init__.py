"""Ownership: the employee who answers for a customer, the pool, and the policy."""
