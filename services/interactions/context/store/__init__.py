"""Changes of interactions and promises, in the order of their commits."""
