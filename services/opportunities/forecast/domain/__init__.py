"""Totals by category, intervals by simulation or exact convolution, snapshots, accuracy of earlier forecasts."""
