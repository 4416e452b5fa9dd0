"""Remedies: goodwill inside the authority of whoever gives it, or approved by somebody who may."""
