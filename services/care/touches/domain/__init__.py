"""Touches from the day they are planned to what became of them, and every reason against them."""
