"""Programs: standing attention by tier, in versions, checked before it goes to work."""
