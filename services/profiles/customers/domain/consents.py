"""Decisions of customers about being contacted, as a chain of receipts that only grows, and those in force."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Entity, FailedPrecondition, OpenEnum
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.text import check_past, clean
from services.profiles.customers.domain.violations import Violations

MOST_DECISIONS = 500


class TooManyDecisions(FailedPrecondition):
    """{allowed} decisions are in force: decide about a channel or purpose as a whole."""

    allowed: int


class GrantOlderThanRefusal(FailedPrecondition):
    """The customer refused {purpose} at {refuse_time}: {problem}."""

    purpose: str
    refuse_time: str
    problem: str


class Purpose(OpenEnum):
    """Purpose of an interaction or of a use of data."""

    SERVICE = "SERVICE"
    CARE = "CARE"
    MARKETING = "MARKETING"
    SURVEY = "SURVEY"
    PROFILING = "PROFILING"


class ConsentState(OpenEnum):
    """The decision."""

    GRANTED = "GRANTED"
    DENIED = "DENIED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class Capture(OpenEnum):
    """Way that a decision came to us."""

    CUSTOMER_ACTION = "CUSTOMER_ACTION"
    RECORDED_CALL = "RECORDED_CALL"
    SIGNED_DOCUMENT = "SIGNED_DOCUMENT"
    STAFF_ENTRY = "STAFF_ENTRY"
    IMPORTED = "IMPORTED"


ACTS_OF_THE_CUSTOMER = frozenset({Capture.CUSTOMER_ACTION, Capture.RECORDED_CALL, Capture.SIGNED_DOCUMENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Scope of a decision. Without a channel it is every channel, without a contact point every one."""

    purpose: Purpose
    channel: Channel | None = None
    contact_point: str = ""

    def includes(self, other: Scope) -> bool:
        """True when everything that `other` is about is covered."""
        return (
            self.purpose is other.purpose
            and self.channel in (None, other.channel)
            and self.contact_point in ("", other.contact_point)
        )

    def overlaps(self, other: Scope) -> bool:
        """True when something is covered by both."""
        return (
            self.purpose is other.purpose
            and (self.channel is None or other.channel in (None, self.channel))
            and (not self.contact_point or other.contact_point in ("", self.contact_point))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReceipt(Entity):
    """One decision with its proof. It never changes. `hash` seals it and `previous_hash` chains it."""

    ID_PREFIX: ClassVar[str] = "rcp"

    customer_id: str = ""
    sequence: int = 0
    """The place in the customer's chain: 1, 2, 3, …"""
    purpose: Purpose
    channel: Channel | None = None
    contact_point: str = ""
    state: ConsentState
    capture: Capture
    capture_time: datetime | None = None
    proof_ref: str = ""
    double_opt_in_time: datetime | None = None
    effective_from_time: datetime | None = None
    effective_to_time: datetime | None = None
    """Exclusive. None without end."""
    jurisdiction: str = ""
    text_version: str = ""
    recorder: str = ""
    previous_hash: str = ""
    hash: str = ""
    contact_point_salt: str = ""
    contact_point_digest: str = ""
    """Stands for the contact point under the hash, so that the chain holds after that was erased."""

    @property
    def scope(self) -> Scope:
        """Scope of the decision."""
        return Scope(purpose=self.purpose, channel=self.channel, contact_point=self.contact_point)

    def computed_hash(self) -> str:
        """SHA-256 of the content, exactly as `ConsentReceipt.hash` in the proto describes it, so that anybody can
        check a chain without our code."""
        apart = {"revision", "create_time", "update_time", "id", "hash", "contact_point_salt", "contact_point_digest"}
        content = {f.name: _as_json(getattr(self, f.name)) for f in fields(self) if f.name not in apart}
        content["contact_point"] = self.contact_point_digest
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def computed_digest(self) -> str:
        """The digest of the contact point. Empty without one."""
        salted = f"{self.contact_point_salt}{self.contact_point}"
        return hashlib.sha256(salted.encode()).hexdigest() if self.contact_point else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A refusal as a customer gives it."""

    purpose: Purpose
    channel: Channel | None = None
    contact_point: str = ""
    capture: Capture
    capture_time: datetime | None = None
    proof_ref: str = ""

    def refusal(self) -> ConsentReceipt:
        """The decision to record."""
        return ConsentReceipt(
            id="",
            purpose=self.purpose,
            channel=self.channel,
            contact_point=self.contact_point,
            state=ConsentState.DENIED,
            capture=self.capture,
            capture_time=self.capture_time,
            proof_ref=self.proof_ref,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDecision:
    """A decision in force: of all receipts of one scope the one captured last, but a refusal rather than a later grant
    that is no act of the customer."""

    purpose: Purpose
    channel: Channel | None = None
    contact_point: str = ""
    state: ConsentState
    capture: Capture
    capture_time: datetime
    effective_from_time: datetime
    effective_to_time: datetime | None = None
    receipt_id: str
    grant_proof_ref: str = ""
    """The proof of the last grant of this scope. It cannot serve again after a refusal."""

    @property
    def scope(self) -> Scope:
        """Scope of the decision."""
        return Scope(purpose=self.purpose, channel=self.channel, contact_point=self.contact_point)

    @property
    def refuses(self) -> bool:
        """True when the customer said no."""
        return self.state in (ConsentState.DENIED, ConsentState.WITHDRAWN)

    def is_lifted_by(self, grant: ConsentDecision) -> bool:
        """True when a refusal no longer counts because the customer, by their own act, agreed to (part of) it later.

        That holds also when the refusal reaches us after the grant, as a letter does.
        """
        return (
            self.refuses
            and grant.state is ConsentState.GRANTED
            and grant.capture in ACTS_OF_THE_CUSTOMER
            and self.scope.includes(grant.scope)
            and grant.capture_time > self.capture_time
        )

    def replaces(self, before: ConsentDecision) -> bool:
        """True when this decision is in force rather than one of the same scope that was recorded before."""
        if self.refuses and not before.refuses:
            return not self.is_lifted_by(before)
        return self.capture_time >= before.capture_time


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentHead:
    """The end of a customer's chain of receipts and what is in force of it."""

    count: int = 0
    hash: str = ""
    decisions: tuple[ConsentDecision, ...] = ()

    def about(self, scope: Scope) -> list[ConsentDecision]:
        """The decisions in force that are about everything in `scope`, and perhaps about more."""
        return [decision for decision in self.decisions if decision.scope.includes(scope)]

    def refusals(self, scope: Scope) -> list[ConsentDecision]:
        """The refusals about `scope` that no later grant has lifted."""
        found = self.about(scope)
        return [no for no in found if no.refuses and not any(no.is_lifted_by(other) for other in found)]

    def accept(self, proposal: ConsentReceipt, now: datetime, within: str) -> tuple[ConsentHead, ConsentReceipt]:
        """The chain with one more receipt, and that receipt, sealed.

        A grant needs a proof, and after a refusal a later act of the customer with a proof that has not served before.
        A refusal is always accepted, and called a withdrawal where something had been granted.
        """
        receipt = _completed(proposal, now, within)
        if receipt.state is ConsentState.GRANTED:
            self._check_grant(receipt)
        else:
            receipt = replace(receipt, state=self._kind_of_refusal(receipt.scope))
        receipt = replace(
            receipt,
            sequence=self.count + 1,
            previous_hash=self.hash,
            contact_point_salt=receipt.contact_point_salt if receipt.contact_point else "",
            contact_point_digest=receipt.computed_digest(),
        )
        receipt = replace(receipt, hash=receipt.computed_hash())
        decisions = self._with(receipt)
        return ConsentHead(count=receipt.sequence, hash=receipt.hash, decisions=decisions), receipt

    def _check_grant(self, grant: ConsentReceipt) -> None:
        refusals = [decision for decision in self.about(grant.scope) if decision.refuses]
        if not refusals:
            return
        said_no = max(decision.capture_time for decision in refusals)
        used = {decision.grant_proof_ref for decision in self.decisions if decision.scope.overlaps(grant.scope)}
        if grant.capture not in ACTS_OF_THE_CUSTOMER:
            allowed = ", ".join(sorted(ACTS_OF_THE_CUSTOMER))
            problem = f"only an act of the customer can grant again ({allowed}), not {grant.capture}"
        elif grant.capture_time is None or grant.capture_time <= said_no:
            problem = "only a later decision can grant again"
        elif grant.proof_ref in used:
            problem = f"proof {grant.proof_ref!r} has served before; a new one is needed"
        else:
            return
        raise GrantOlderThanRefusal(purpose=grant.purpose, refuse_time=said_no.isoformat(), problem=problem)

    def _kind_of_refusal(self, scope: Scope) -> ConsentState:
        had_granted = any(
            (decision.state is ConsentState.GRANTED and decision.scope.overlaps(scope))
            or (decision.state is ConsentState.WITHDRAWN and decision.scope == scope)
            for decision in self.decisions
        )
        return ConsentState.WITHDRAWN if had_granted else ConsentState.DENIED

    def _with(self, receipt: ConsentReceipt) -> tuple[ConsentDecision, ...]:
        """The decisions in force once the receipt counts. One that tells of an earlier time may change nothing."""
        before = next((decision for decision in self.decisions if decision.scope == receipt.scope), None)
        decision = _decision(receipt, before)
        if before is not None and not decision.replaces(before):
            return self.decisions
        others = tuple(known for known in self.decisions if known is not before)
        if len(others) >= MOST_DECISIONS and not decision.refuses:
            raise TooManyDecisions(allowed=MOST_DECISIONS)
        return (*others, decision)


def _completed(proposal: ConsentReceipt, now: datetime, within: str) -> ConsentReceipt:
    """The proposal with its times filled in and its texts clean. InvalidArgument with everything that is wrong."""
    violations = Violations(within)
    captured = proposal.capture_time or now
    granted = proposal.state is ConsentState.GRANTED
    if proposal.state not in (ConsentState.GRANTED, ConsentState.DENIED):
        violations.add("state", f"{proposal.state} cannot be recorded; allowed: GRANTED, DENIED")
    check_past(captured, now, "capture_time", violations)
    check_past(proposal.double_opt_in_time, now, "double_opt_in_time", violations)
    begins, ends = proposal.effective_from_time or captured, proposal.effective_to_time
    if not granted and (proposal.effective_from_time or ends):
        violations.add("effective_from_time", "only a grant has an interval; a refusal counts at once and without end")
    if ends is not None and ends <= begins:
        violations.add("effective_to_time", f"{ends.isoformat()} is not after the start, {begins.isoformat()}")
    completed = replace(
        proposal,
        capture_time=captured,
        effective_from_time=begins,
        proof_ref=clean(proposal.proof_ref, "proof_ref", 500, violations, required=granted),
        jurisdiction=clean(proposal.jurisdiction, "jurisdiction", 20, violations),
        text_version=clean(proposal.text_version, "text_version", 100, violations),
    )
    violations.refuse()
    return completed


def _decision(receipt: ConsentReceipt, before: ConsentDecision | None) -> ConsentDecision:
    if receipt.capture_time is None or receipt.effective_from_time is None:
        raise ValueError("the receipt is not complete")
    granted = receipt.state is ConsentState.GRANTED
    return ConsentDecision(
        purpose=receipt.purpose,
        channel=receipt.channel,
        contact_point=receipt.contact_point,
        state=receipt.state,
        capture=receipt.capture,
        capture_time=receipt.capture_time,
        effective_from_time=receipt.effective_from_time,
        effective_to_time=receipt.effective_to_time,
        receipt_id=receipt.id,
        grant_proof_ref=receipt.proof_ref if granted else (before.grant_proof_ref if before else ""),
    )


def _as_json(value: str | int | datetime | None) -> str | int:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
        case int():
            return value
        case _:
            return str(value)
