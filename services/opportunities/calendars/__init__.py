"""The projection of business calendars, which interactions keeps and publishes."""
