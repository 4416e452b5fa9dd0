"""Complaints: handled after ISO 10002 from receipt to the confirmation of the customer."""
