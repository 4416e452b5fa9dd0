"""Parcels on their way to customers: a service that exists in the tests of the registry alone."""
