"""Remedies: goodwill inside the authority of whoever gives it at once, outside it approved by somebody who may.

refusals   everything that is refused, by name
goodwill   something given to make good, from asked for to posted
absences   who is not there and who stands in, and leave to break the routine
authority  limits by role, tier, action and currency, and the approvers of what exceeds them
"""
