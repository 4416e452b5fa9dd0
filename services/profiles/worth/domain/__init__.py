"""Worth of customers: contribution, concentration, tiers, loyalty and value to come.

One module for each noun. Modules that import numpy or scipy (`bgnbd`, `gamma_gamma`, `clv`, `sbg`) are loaded by jobs
alone, so that the processes that serve calls stay small.
"""
