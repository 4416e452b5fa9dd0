"""Touches: what comes to which customer when, what became of it, and why something did not come."""
