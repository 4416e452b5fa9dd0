"""The rules of customers: pure functions over frozen values, one module per noun."""
