"""Business time: when people work, when something is due, and clocks that follow what happened.

Pure: no storage, no clock of the machine. Read in this order:

    civil      zones, and times on somebody's clock
    calendar   the regular week and the dates that differ from it
    hours      working time, counted in UTC on the merged intervals of a week
    terms      by when something is promised, and when that is
    clock      what happens to a clock, what is asked of it, how it stands
    folding    a clock from its events: due, breached, explained

interactions keeps the calendars and publishes them; other services project them and count with this library.
"""
