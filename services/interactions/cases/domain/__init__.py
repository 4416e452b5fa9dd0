"""Cases: the machine with its guards, episodes, one accountable owner, and the words that customers see.

refusals   everything that is refused, by name
terms      priority from impact and urgency, and the terms under which cases come back
parts      episodes, ownership, loans, checklists and wishes
record     everything that is kept of a case, and its states
events     everything that happens to a case
guards     what a state asks for, and what clocks are told of it
cases      the machine, and all that is done to one case
past       cases of the past, replayed through the machine
relations  merging, splitting, and coming back after the window
status     the state in words that are fit for customers
"""
