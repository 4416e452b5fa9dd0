"""The projection of customers: who was merged, who is erased, who may be asked."""
