"""Use-cases of the call center: staffing, and calls from ringing to the forecast."""
