"""The way of an event from a queue to the function of a subscription (`libs.chassis.inbox`).

Everything here is plain code, which a thread can run. `entrypoint`, imported by `run` alone, makes nameko run it.
"""
