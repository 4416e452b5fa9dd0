"""Senders: one for each channel, behind one small port."""
