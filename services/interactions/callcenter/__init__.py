"""The call center of the service department."""
