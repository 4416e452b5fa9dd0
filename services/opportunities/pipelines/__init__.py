"""Pipelines: the stages that deals go through, and what each asks of a deal."""
