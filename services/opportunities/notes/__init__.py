"""Private working notes: what somebody writes down for themselves on a deal, which nobody else reads."""
