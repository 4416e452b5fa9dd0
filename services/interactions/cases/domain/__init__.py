"""Cases: the machine with its guards, episodes, one accountable owner, and the words that customers see.

refusals   everything that is refused, by name
priority   priority from impact and urgency
parts      episodes, ownership, loans, checklists and wishes
cases      the machine, and all that is done to one case
relations  merging, splitting, and coming back after the window
status     the state in words that are fit for customers
"""
