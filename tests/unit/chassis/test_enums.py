"""Words of enum values."""

from __future__ import annotations

from kehu.common.v1 import types_pb2
from kehu.profiles.v1 import tiers_pb2

from libs.chassis.enums import enum_word


def test_a_word_has_no_prefix_and_an_unknown_value_is_its_number() -> None:
    assert enum_word(tiers_pb2.Tier.DESCRIPTOR, tiers_pb2.Tier.Value("TIER_A")) == "A"
    assert enum_word(types_pb2.Channel.DESCRIPTOR, types_pb2.CHANNEL_WEB_CHAT) == "WEB_CHAT"
    assert enum_word(tiers_pb2.Tier.DESCRIPTOR, 0) == ""
    assert enum_word(tiers_pb2.Tier.DESCRIPTOR, 4711) == "4711"
