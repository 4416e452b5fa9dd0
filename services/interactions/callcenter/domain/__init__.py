"""The call center: calls from ringing to the end, service levels, forecasts and staffing."""
