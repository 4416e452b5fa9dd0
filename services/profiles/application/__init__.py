"""What can be done with customers: one class per area of business, one method per use-case."""
