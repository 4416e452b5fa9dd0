"""Use-cases of routing: queues and how they do, agents and their time, work and who gets it."""
