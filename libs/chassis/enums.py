"""Words of the protos' enums, as documents and conditions hold them."""

from __future__ import annotations

from google.protobuf.descriptor import EnumDescriptor


def enum_prefix(enum: EnumDescriptor) -> str:
    """The beginning of all values: that of the zero value, which is always `…_UNSPECIFIED`."""
    return str(enum.values_by_number[0].name.removesuffix("UNSPECIFIED"))


def enum_word(enum: EnumDescriptor, number: int) -> str:
    """The word of a value without the prefix that its enum gives all of them: `WEB_CHAT` of `CHANNEL_WEB_CHAT`.

    Empty for the unspecified value, the number for one that a newer release knows and this one does not.
    """
    if number == 0:
        return ""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(enum_prefix(enum)) if value is not None else str(number)
