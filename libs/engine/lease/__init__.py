"""Leadership as an optimisation: at most one process usually does the work, and being wrong only repeats it.

Nothing that must hold may rest on a lease: the keys of what is written do that. The epoch rises with every change of
leader; it tells people and logs who led when, and is there for whoever can compare it.
"""

from libs.engine.lease.contract import PATIENT, SWIFT, Cadence, Lease
from libs.engine.lease.mongo import MongoLease

__all__ = ["PATIENT", "SWIFT", "Cadence", "Lease", "MongoLease"]
