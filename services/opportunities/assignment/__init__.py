"""Assignment: who answers for which lead."""
