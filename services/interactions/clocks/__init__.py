"""Service clocks: policies, and the clocks of cases, complaints and calls that are measured by them."""
