"""What open deals will bring, and how sure that is."""
