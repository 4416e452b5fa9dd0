"""Privacy: masking, access records, legal holds, exports and erasures."""
