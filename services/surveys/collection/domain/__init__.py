"""Sheets that respondents fill in, the responses that come of them, quotas, and papers that are typed in."""
