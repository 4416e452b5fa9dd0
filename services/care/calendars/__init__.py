"""Calendars of dates: festivals, the Chinese calendar, solar terms, public holidays, and clocks of zones."""
