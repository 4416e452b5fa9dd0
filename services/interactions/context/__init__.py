"""The context of a customer for the next person who serves them, and the watch that keeps it current."""
