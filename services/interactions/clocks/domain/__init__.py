"""Service clocks: policies as immutable versions, clocks as folds over events.

policies   targets by metric, priority and tier, one version after the other
clocks     the clocks of one subject, and the messages and states that move them
refolding  the difference that another policy or calendar makes
"""
