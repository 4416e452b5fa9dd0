"""Entities and rules of routing: queues, agents, work items, their ranking and assignment."""
