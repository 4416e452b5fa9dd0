"""Entitlements: what customers may have, and the ledger of what they had."""
