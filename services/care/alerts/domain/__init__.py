"""Rules of alerts: what is watched, what is found in it, and what becomes of it."""
