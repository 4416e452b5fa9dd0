"""Care: the right attention at the right local time, exactly once."""
