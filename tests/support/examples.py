"""Requests made from descriptors: acceptable ones with only what is required, and anything at all.

So a method that is added tomorrow is tried by the same suites. What only the domain knows (a promise needs exactly one
kind of term) is in `HINTS`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from re import _parser as parser
from typing import Any

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from hypothesis import strategies as st
from kehu.common.v1 import rules_pb2

from libs.chassis import identity
from tests.support.contracts import http, is_input

_ID = re.compile(r"[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}|\{\w+\.id\}")

Ids = Mapping[str, str]
"""Prefix of a typed id, or full name of a message, → the id to name."""

HINTS: Mapping[str, Any] = {
    "kehu.care.v1.Plan.assignee": "ada",
    "kehu.care.v1.Plan.form": "FORM_CALL",
    "kehu.care.v1.Plan.minute": 540,
    "kehu.care.v1.PlanOverride.expire_time": datetime(2100, 1, 1, tzinfo=UTC),
    "kehu.care.v1.GetAdherenceRequest.from_month": "2026-01",
    "kehu.care.v1.GetAdherenceRequest.to_month": "2026-02",
    "kehu.care.v1.GetCoverageMapRequest.from_month": "2026-01",
    "kehu.care.v1.GetCoverageMapRequest.to_month": "2026-02",
    "kehu.care.v1.ChurnReasons.paths": ["other"],
    "kehu.care.v1.ChurnRecord.customer_id": lambda ids: own(ids, "other_cus"),
    "kehu.care.v1.ChurnRecord.reason_path": "other",
    "kehu.care.v1.OfferWinBackRequest.form": "FORM_CALL",
    "kehu.care.v1.PlayStep.form": "FORM_VISIT",
    "kehu.care.v1.Program.time_zone": "Asia/Shanghai",
    "kehu.care.v1.Recurrence.rule": "FREQ=DAILY",
    "kehu.care.v1.Recurrence.start_date": {"year": 2026, "month": 1, "day": 1},
    "kehu.interactions.v1.BusinessCalendar.time_zone": "Asia/Shanghai",
    "kehu.interactions.v1.CreateCaseRequest.owner": "ada",
    "kehu.interactions.v1.MergeCaseRequest.survivor_id": lambda ids: own(ids, "other_cas"),
    "kehu.interactions.v1.ResolveCaseRequest.cause": "a typing error",
    "kehu.interactions.v1.ResolveCaseRequest.explanation": "We sent it again.",
    "kehu.interactions.v1.Absence.end_time": datetime(2031, 1, 1, tzinfo=UTC),
    "kehu.interactions.v1.AcknowledgeComplaintRequest.plan": "We ask the branch.",
    "kehu.interactions.v1.AcknowledgeComplaintRequest.term": {},
    "kehu.interactions.v1.AssessComplaintRequest.taxonomy_path": "process",
    "kehu.interactions.v1.Attribution.employee": "NOT_ATTRIBUTABLE",
    "kehu.interactions.v1.Attribution.product": "NOT_ATTRIBUTABLE",
    "kehu.interactions.v1.Attribution.touchpoint": "NOT_ATTRIBUTABLE",
    "kehu.interactions.v1.AuthorityLimit.currency_code": "EUR",
    "kehu.interactions.v1.AuthorityLimit.per_case": 1_000_000,
    "kehu.interactions.v1.AuthorityLimit.per_customer_year": 1_000_000,
    "kehu.interactions.v1.AuthorityLimit.per_day": 1_000_000,
    "kehu.interactions.v1.AuthorityLimit.role": "lead",
    "kehu.interactions.v1.AuthorityMatrix.agents": [{"id": id, "role": "lead"} for id in ("ann", "tester")],
    "kehu.interactions.v1.AuthorityMatrix.limits": {},
    "kehu.interactions.v1.Case.customer_id": lambda ids: own(ids, "cus"),
    "kehu.interactions.v1.Complaint.case_id": lambda ids: own(ids, "cas"),
    "kehu.interactions.v1.ExceptionGrant.currency_code": "EUR",
    "kehu.interactions.v1.ExceptionGrant.expire_time": datetime(2031, 1, 1, tzinfo=UTC),
    "kehu.interactions.v1.Goodwill.currency_code": "EUR",
    "kehu.interactions.v1.RefoldClocksRequest.policy_id": lambda ids: own(ids, "sla"),
    "kehu.interactions.v1.Taxonomy.paths": ["staff", "broken_promise", "led_nowhere", "product", "process"],
    "kehu.interactions.v1.WaitCaseRequest.state": "CASE_STATE_WAITING_CUSTOMER",
    "kehu.interactions.v1.ChecklistItem.id": "sign",
    "kehu.interactions.v1.CivilTime.date": {"year": 2031, "month": 5, "day": 20},
    "kehu.interactions.v1.CivilTime.time_zone": "Asia/Shanghai",
    "kehu.interactions.v1.ContinueConversationRequest.conversation_id": lambda ids: own(ids, "conv"),
    "kehu.interactions.v1.GetChannelCountsRequest.start_time": datetime(2026, 1, 1, tzinfo=UTC),
    "kehu.interactions.v1.GetChannelCountsRequest.end_time": datetime(2026, 1, 2, tzinfo=UTC),
    "kehu.interactions.v1.QueueAgent.principal": "ann",
    "kehu.interactions.v1.QueueAgent.queue_ids": lambda ids: [own(ids, "que")],
    "kehu.interactions.v1.SetPresenceRequest.presence": "PRESENCE_AVAILABLE",
    "kehu.interactions.v1.Term.civil_time": {},
    "kehu.interactions.v1.TransferConversationRequest.queue": "second-line",
    "kehu.interactions.v1.TransferWorkRequest.queue_id": lambda ids: own(ids, "other_que"),
    "kehu.opportunities.v1.GetForecastRequest.convert_to": "",
    "kehu.opportunities.v1.Lead.attributes": [],
    "kehu.opportunities.v1.Lead.form_id": "",
    "kehu.opportunities.v1.LeadForm.attributes": [{"key": "staff", "kind": 2}],
    "kehu.opportunities.v1.LearnLeadModelRequest.attributes": [],
    "kehu.opportunities.v1.ReportLeadsRequest.attributes": [],
    "kehu.opportunities.v1.Pipeline.currency_code": "EUR",
    "kehu.opportunities.v1.Pipeline.stages": [
        {
            "key": key,
            "display_name": key,
            "kind": f"STAGE_KIND_{key.upper()}",
            "category": f"FORECAST_CATEGORY_{category}",
            "probability_basis_points": basis_points,
        }
        for key, category, basis_points in (
            ("open", "PIPELINE", 5000),
            ("won", "CLOSED", 10000),
            ("lost", "OMITTED", 0),
        )
    ],
    "kehu.opportunities.v1.RateTable.base_currency_code": "EUR",
    "kehu.opportunities.v1.RateTable.rates": [{"currency_code": "CNY", "value": "7.7"}],
    "kehu.profiles.v1.ComputeLoyaltyMeasuresRequest.currency_code": "EUR",
    "kehu.profiles.v1.ComputeRfmRequest.currency_code": "EUR",
    "kehu.profiles.v1.ConsentReceipt.proof_ref": "form-1",
    "kehu.profiles.v1.ContactPoint.raw": lambda _: f"{uuid.uuid4().hex}@example.com",
    "kehu.profiles.v1.ContactPoint.type": "TYPE_EMAIL",
    "kehu.profiles.v1.Customer.names": [{"family": "王", "given": "小明"}],
    "kehu.profiles.v1.FitClvModelRequest.currency_code": "EUR",
    "kehu.profiles.v1.LookupCustomerRequest.Point.type": "TYPE_EMAIL",
    "kehu.profiles.v1.LookupCustomerRequest.Point.value": "wang@example.com",
    "kehu.profiles.v1.RevealFieldsRequest.read_classes": ["NAMES"],
    "kehu.profiles.v1.Relationship.to_customer_id": lambda ids: own(ids, "other_cus"),
    "kehu.profiles.v1.Relationship.type": "TYPE_REFERRED_BY",
    "kehu.profiles.v1.TierPolicy.currency_code": "EUR",
    "kehu.profiles.v1.TierPolicy.review_date": {"year": 2100, "month": 1, "day": 1},
    "kehu.surveys.v1.FatigueRule.period": timedelta(days=1),
    "kehu.surveys.v1.ItemAnswer.answer": {"number": 7},
    "kehu.surveys.v1.ItemAnswer.item": "nps",
    "kehu.surveys.v1.RecordDeliveryRequest.outcome": "INVITATION_STATE_SENT",
    "kehu.surveys.v1.Sample.method": "DESIGN_METHOD_CENSUS",
    "kehu.surveys.v1.Questionnaire.items": [
        {"key": "nps", "type": "ITEM_TYPE_NPS_0_10", "texts": {"en": "Recommend?"}}
    ],
    "kehu.surveys.v1.Questionnaire.languages": ["en"],
    "kehu.surveys.v1.Survey.design": "DESIGN_METHOD_CENSUS",
    "kehu.surveys.v1.Survey.owner": "ann",
}
"""Full name of a field → the value that an example has there, or what makes it; {} is an example of its message."""


def own(ids: Ids, name: str) -> str:
    """The id of this name, or one that nothing has."""
    return ids.get(name) or identity.new_id(name.rpartition("_")[2])


# ---------------------------------------------------------------------------------------------- acceptable


def request(method: MethodDescriptor, ids: Ids) -> Any:
    """An acceptable request of a method, with the ids that its path names."""
    message = example(method.input_type, ids)
    for path in re.findall(r"\{(\w+)\.id\}", http(method)[1]):
        resource = getattr(message, path)
        resource.id = ids.get(resource.DESCRIPTOR.full_name, "none")
    return message


def names_a_thing(method: MethodDescriptor) -> bool:
    """Whether an acceptable request names something by its id."""
    return bool(_ID.search(f"{http(method)[1]} {request(method, {})}"))


def example(descriptor: Descriptor, ids: Ids) -> Any:
    """A message with what is required, and new keys wherever a key is asked for."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.full_name in HINTS or (is_input(field) and is_required(field)):
            put(message, field, HINTS.get(field.full_name, {}), ids)
    return message


def put(message: Any, field: FieldDescriptor, hint: Any, ids: Ids) -> None:
    """Sets a field to the hint, or to an example."""
    name = field.name
    hint = hint(ids) if callable(hint) else hint
    if hint != {}:
        message.MergeFrom(type(message)(**{name: hint}))
    elif field.is_repeated:
        getattr(message, name).extend([value(field, ids)])
    elif field.message_type is not None:
        getattr(message, name).CopyFrom(value(field, ids))
    else:
        setattr(message, name, value(field, ids))


def is_required(field: FieldDescriptor) -> bool:
    """Whether a message without the field would be refused."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if field.name == "request_id":
        return True
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE or field.name == "update_mask":
        return False
    if field.is_repeated:
        return bool(rules.repeated.min_items)
    one_of = field.containing_oneof
    if one_of is not None and one_of.GetOptions().Extensions[validate_pb2.oneof].required:
        return one_of.fields[0].number == field.number
    return bool(
        rules.required
        or field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        or rules.string.min_len
        or rules.string.pattern
        or rules.string.Extensions[rules_pb2.id]
        or 0 in rules.enum.not_in
    )


def value(field: FieldDescriptor, ids: Ids) -> Any:
    """An acceptable value."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    text = (rules.repeated.items if field.is_repeated else rules).string
    if field.message_type is not None:
        return well_known(field) or example(field.message_type, ids)
    if field.enum_type is not None:
        return next(number for number in field.enum_type.values_by_number if number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x"
    if field.type != FieldDescriptor.TYPE_STRING:
        return 1
    if text.Extensions[rules_pb2.request_id]:
        return str(uuid.uuid4())
    if prefix := id_prefix(field):
        return own(ids, prefix)
    if field.name == "currency_code":
        return "EUR"  # the pattern also takes what is no currency
    return shortest(text.pattern) or uuid.uuid4().hex[:12]


def well_known(field: FieldDescriptor) -> Any:
    """A value of a type that is not ours, the end of a time after its begin. None for one that is."""
    match field.message_type.full_name:
        case "google.protobuf.Timestamp":
            at = Timestamp()
            at.FromDatetime(datetime.now(UTC) - timedelta(seconds=30 if field.name.startswith("end") else 60))
            return at
        case "google.protobuf.Duration":
            return Duration(seconds=60)
        case "google.type.Date":
            return Date(year=2026, month=5, day=20)
    return None


def id_prefix(field: FieldDescriptor) -> str:
    """The prefix of the ids that a field takes. Empty for other fields."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    prefix: str = (rules.repeated.items if field.is_repeated else rules).string.Extensions[rules_pb2.id]
    return prefix


def shortest(pattern: str) -> str:
    """A shortest text that a pattern accepts."""
    return _shortest(parser.parse(pattern))


def _shortest(parsed: Iterable[tuple[Any, Any]]) -> str:
    text = ""
    for operation, argument in parsed:
        match str(operation):
            case "LITERAL":
                text += chr(argument)
            case "IN":
                kind, first = argument[0]
                text += chr(first[0] if str(kind) == "RANGE" else first)
            case "MAX_REPEAT":
                text += _shortest(argument[2]) * argument[0]
            case "SUBPATTERN":
                text += _shortest(argument[3])
            case "BRANCH":
                text += _shortest(argument[1][0])
    return text


# ------------------------------------------------------------------------------------------------ anything

_TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "a", "王小明", "\x00", "\u202e", "' OR 1=1", "$where", "{$gt: ''}", "../..", "%00", "x" * 5000, "𠮷" * 300]
    ),
)
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: st.sampled_from([0, 1, -1, 500, 501, 2**31 - 1, -(2**31)]),
    FieldDescriptor.TYPE_INT64: st.sampled_from([0, 1, -1, 2**53, 2**63 - 1, -(2**63)]),
    FieldDescriptor.TYPE_UINT32: st.sampled_from([0, 1, 2**32 - 1]),
    FieldDescriptor.TYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]),
}
_DEPTH = 4


def anything(descriptor: Descriptor, ids: Ids, depth: int = 0) -> st.SearchStrategy[Any]:
    """Well-formed messages of every content: absent, extreme, misleading."""

    @st.composite
    def draw_message(draw: Any) -> Message:
        message: Any = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if draw(st.booleans()):
                fill(draw, message, field, ids, depth)
        return message

    return draw_message()


def fill(draw: Any, message: Any, field: FieldDescriptor, ids: Ids, depth: int) -> None:
    """Sets a field to something."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        held = field.message_type.fields_by_name["value"]
        drawn = draw(st.dictionaries(_TEXT, something(held, ids, depth), max_size=3))
        if held.message_type is None:
            getattr(message, field.name).update(drawn)
        for key, each in drawn.items() if held.message_type is not None else ():
            getattr(message, field.name)[key].CopyFrom(each)
        return
    if depth > _DEPTH and field.message_type is not None:
        return
    each = something(field, ids, depth)
    if field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(each, max_size=3)))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(draw(each))
    else:
        setattr(message, field.name, draw(each))


def something(field: FieldDescriptor, ids: Ids, depth: int) -> st.SearchStrategy[Any]:
    """Values of a field's type, acceptable or not."""
    if field.message_type is not None:
        return anything(field.message_type, ids, depth + 1)
    if field.enum_type is not None:
        return st.sampled_from([*field.enum_type.values_by_number, 77, -1, 2**31 - 1])
    if field.type == FieldDescriptor.TYPE_STRING:
        return st.one_of(st.just(value(field, ids)), st.sampled_from(sorted(ids.values()) or ["x"]), _TEXT)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=40)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return st.sampled_from([0.0, -0.0, 1e308, float("inf"), float("-inf"), float("nan")])
    return _INTEGERS.get(field.type, st.just(1))
