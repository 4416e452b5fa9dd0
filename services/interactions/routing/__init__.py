"""Queues, agents and the work between them: who gets what next, and why."""
