"""Results of surveys: scores with intervals, gaps, drivers, and the people who say nothing."""
