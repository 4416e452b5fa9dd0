"""Programs, their triggers, their words, and who gets which plan."""
