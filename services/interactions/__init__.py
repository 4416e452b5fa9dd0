"""Every contact with a customer, the conversations they form, and the promises given in them."""
