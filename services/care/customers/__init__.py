"""The projection of customers: dates, zones, contact points and consent, and what may be sent to them when."""
