"""Collects everything that is wrong with a value, so that a caller can mend it in one go."""

from __future__ import annotations

from libs.chassis.domain import FieldViolation, InvalidArgument


class Violations:
    """The wrong fields of one request, found while its parts are checked one after the other."""

    def __init__(self, within: str) -> None:
        """`within` is the field of the request that is checked, for example `customer`."""
        self._within = within
        self._found: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        """Note that `field`, a path such as `names[0].given`, is wrong: say what was wrong and what is allowed."""
        path = f"{self._within}.{field}" if self._within else field
        self._found.append(FieldViolation(path, description))

    def refuse(self) -> None:
        """Raise InvalidArgument with everything that was found. Do nothing when that is nothing."""
        if self._found:
            raise InvalidArgument(violations=self._found)
