"""The projection of customers: who was merged and who is erased."""
