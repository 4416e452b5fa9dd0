"""The use-cases: one class for each area, one method for each use."""
