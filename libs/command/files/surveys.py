"""A survey as a TOML file that people read and write.

    display_name = "After the call"
    kind = "NPS"                                    # NPS, CSAT, CES, SERVQUAL, PULSE, EXIT or CUSTOM
    design = "TRIGGERED"                            # how those who are asked are chosen
    anonymity = "CONFIDENTIAL"                      # IDENTIFIED unless it says otherwise
    owner = "ann"                                   # closes the loop
    languages = ["en", "zh"]                        # the first is what others fall back to
    introduction = { en = "Two questions.", zh = "两个问题。" }
    thanks = { en = "Thank you.", zh = "谢谢。" }

    [[items]]
    key = "nps"
    type = "NPS_0_10"
    text = { en = "How likely are you to recommend us?", zh = "您有多大可能推荐我们？" }
    required = true

    [[items]]
    key = "reason"
    type = "SINGLE"
    text = { en = "You gave {{nps}}. Why?", zh = "您打了 {{nps}} 分，为什么？" }
    asked_when = ["nps <= 6"]
    options = [
      { key = "price", en = "Price", zh = "价格" },
      { key = "other", en = "Something else", zh = "其他" },
    ]

    [[jumps]]
    after = "nps"
    when = ["nps >= 9"]
    to = "end"                                      # or the key of a later item, or "screened out"

    [alert]
    item = "nps"
    at_most = 6
    safety_words = ["fire"]
    answer_within_hours = 24

Everything else is a field of the survey or of an item, by the name that it has in the contract. A rule compares the
answer to an earlier item: `nps <= 6`, `nps >= 9`, `reason is price, other`, `reason is not price`, `nps answered`,
`nps unanswered`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from kehu.surveys.v1 import questionnaires_pb2 as pb

from libs.client.values import fill

END: Final = "end"
SCREENED_OUT: Final = "screened out"
_OF_QUESTIONNAIRE: Final = ("languages", "introduction", "thanks", "equivalent_items")
_OWN: Final = {"items", "jumps", "alert", "idle_limit_hours", *_OF_QUESTIONNAIRE}
_RULE: Final = re.compile(
    r"\s*(?P<item>[a-z][a-z0-9_]*)\s*(?:(?P<sign><=|>=)\s*(?P<number>-?\d+)|(?P<be>is not|is)\s+(?P<values>.+)"
    r"|(?P<state>answered|unanswered))\s*"
)


class DesignError(Exception):
    """The file is no design of a survey. The message says where and what is allowed."""


def read(path: Path) -> pb.Survey:
    """The survey of a file. DesignError when it cannot be read as one."""
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DesignError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DesignError(f"{path} is not TOML: {error}") from error
    except (TypeError, ValueError) as error:
        raise DesignError(f"{path}: {error}") from error


def parse(table: Mapping[str, Any]) -> pb.Survey:
    """The survey of a table as TOML has read it. TypeError or ValueError for what a survey does not have."""
    questionnaire: dict[str, Any] = {name: table[name] for name in _OF_QUESTIONNAIRE if name in table}
    questionnaire["items"] = [_item(each) for each in _tables(table, "items")]
    questionnaire["jumps"] = [_jump(each) for each in _tables(table, "jumps")]
    fields = {name: value for name, value in table.items() if name not in _OWN}
    if "idle_limit_hours" in table:
        fields["idle_limit"] = timedelta(hours=table["idle_limit_hours"])
    if "alert" in table:
        fields["alert_policy"] = _alert(table["alert"])
    return fill(pb.Survey(), {**fields, "questionnaire": questionnaire})


def rule(text: str) -> Mapping[str, Any]:
    """The fields of a rule: `nps <= 6`, `reason is price, other`, `nps answered`. ValueError for anything else."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no rule; write for example nps <= 6, reason is price, other or nps answered")
    if found["sign"]:
        comparison = "AT_MOST" if found["sign"] == "<=" else "AT_LEAST"
        return {"item": found["item"], "comparison": comparison, "values": [found["number"]]}
    if found["be"]:
        values = [each.strip() for each in found["values"].split(",")]
        return {"item": found["item"], "comparison": "NONE_OF" if "not" in found["be"] else "ONE_OF", "values": values}
    return {"item": found["item"], "comparison": found["state"].upper()}


def answer(item: pb.Item, text: str) -> pb.Answer:
    """An answer as it is typed: a number, keys of options parted by commas, a date, words. Blank stays blank."""
    match pb.ItemType.Name(item.type).removeprefix("ITEM_TYPE_"):
        case "SCALE" | "NPS_0_10" | "CSAT_1_5" | "CES_1_7" | "NUMBER" if text:
            return pb.Answer(number=int(text))
        case "MATRIX" | "PAIR_EXPECTATION_PERCEPTION" if text:
            pairs = (each.split(":") for each in text.split(","))
            return pb.Answer(numbers={key.strip(): int(number) for key, number in pairs})
        case "DATE" if text:
            year, month, day = map(int, text.split("-"))
            return fill(pb.Answer(), {"date": {"year": year, "month": month, "day": day}})
        case "TEXT" | "WORD_ASSOCIATION":
            return pb.Answer(text=text)
    return pb.Answer(choices=[each.strip() for each in text.split(",") if each.strip()])


def _item(table: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = dict(table)
    fields["texts"] = fields.pop("text", {})
    fields["asked_when"] = [rule(each) for each in fields.get("asked_when", ())]
    for name in ("options", "rows"):
        fields[name] = [_option(each) for each in fields.get(name, ())]
    return fields


def _option(table: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = {name: words for name, words in table.items() if name not in ("key", "exclusive")}
    return {"key": table.get("key", ""), "exclusive": table.get("exclusive", False), "texts": texts}


def _jump(table: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = {**table, "when": [rule(each) for each in table.get("when", ())]}
    if fields.get("to") in (END, SCREENED_OUT):
        fields["screens_out"] = fields.pop("to") == SCREENED_OUT
    return fields


def _alert(table: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = dict(table)
    if "answer_within_hours" in fields:
        fields["answer_within"] = timedelta(hours=fields.pop("answer_within_hours"))
    return fields


def _tables(table: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{name} is a list of tables: write [[{name}]] above each")
    return found
