"""What answers say: scores with intervals, gaps, drivers, and the people who say nothing."""
