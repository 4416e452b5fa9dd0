"""Days that people keep: the Chinese lunisolar calendar, solar terms, festivals, and days that come every year.

Pure functions over `lunar_python`, which agrees with the tables of the Hong Kong Observatory on every month, festival
and solar term from 1990 to 2030. What is asked beyond 1901 to 2099 is refused.
"""
