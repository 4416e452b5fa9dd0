"""The rules of contacts, conversations, promises and working time: pure functions over frozen values."""
