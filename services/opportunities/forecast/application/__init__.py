"""Use-cases of forecasts: reading them, planning against them, and learning from what came."""
