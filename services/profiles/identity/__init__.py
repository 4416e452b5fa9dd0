"""Identity: duplicates, and merging customers into one."""
