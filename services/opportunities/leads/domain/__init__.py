"""Forms, scores, assignment and conversion of leads."""
