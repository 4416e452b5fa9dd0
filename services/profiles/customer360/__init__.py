"""The 360 view: one customer at a glance."""
