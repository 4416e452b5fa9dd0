"""Use-cases of collection: filling in and handing in, papers that two people read, responses of the past."""
