"""Use-cases of worth. What is asked about one customer reads a bounded part of an index; what is about all of them runs
as an operation."""
