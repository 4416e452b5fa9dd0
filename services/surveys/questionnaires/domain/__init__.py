"""Items and answers, the logic between them, and versions that nothing changes once somebody has answered."""
