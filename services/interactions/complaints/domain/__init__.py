"""Complaints after ISO 10002: receipt, acknowledgement, assessment, investigation, response, appeal, closing.

refusals      everything that is refused, by name
attribution   taxonomy and the touchpoint, employee and product that are behind a complaint
complaints    the machine with its guards
satisfaction  time from the first word of the customer to the confirmation
"""
