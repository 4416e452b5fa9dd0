"""Customers: names, contact points, addresses, dates and relationships."""
