"""Programs of care and surveys as files that people read and write."""
