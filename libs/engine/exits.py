"""Exit codes of every process and command of the suite."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The end of a process."""

    DONE = 0
    """Done, or stopped in good order."""
    FAILED = 1
    """Not or only partly done, or something was found. The reason is on standard error or in the log."""
    MISUSED = 2
    """The command, the environment or the rights of the caller are wrong. Trying again is useless."""
    DIED = 3
    """The worker's container died."""
    FOREIGN = 69
    """The work belongs to a release that is not this one."""
    TOO_LATE = 70
    """Stopping took too long."""
    UNAVAILABLE = 75
    """The database, the broker or a service does not answer. Trying again may help."""
