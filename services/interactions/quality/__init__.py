"""The worth of the work: what was settled for good, what came back and why, audits, field reports and probes."""
