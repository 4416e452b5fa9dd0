"""The service `ledger` as processes; nothing is imported here, because a worker patches before it imports."""
