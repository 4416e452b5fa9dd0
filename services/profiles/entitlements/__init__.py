"""Entitlements: benefits that customers may claim."""
