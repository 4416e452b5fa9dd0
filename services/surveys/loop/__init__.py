"""Loop: alerts that somebody answers, findings that become actions, and results that respondents hear of."""
