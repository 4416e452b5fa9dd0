"""Clocks of cases: explained, simulated, and counted anew when policies or calendars change."""
