"""Statistics that several services report: shares, scores, means and rates with their intervals, time to an event,
agreement and reliability. Pure functions over the standard library and scipy.

Read `estimates` first: every figure of Kehu that rests on a sample is an `Estimate`.
"""
