"""gRPC, the only place that knows it: the server and its chain of stages, statuses, and channels for clients.

Services use `streams.still_open(seconds)` in a servicer that streams, `deadline.remaining()` before a call to another
service, `errors.status_of(error)` for one row of a bulk answer, `parts.gather(parts, seconds)` for an answer of
several reads, and `call.costs(seconds)` on a method that may compute for long. The package imports none of its
modules, so that a client does not load the server.
"""
