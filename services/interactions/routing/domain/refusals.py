"""The refusals of routing."""

from __future__ import annotations

from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument, PermissionDenied


class QueueClosed(FailedPrecondition):
    """Queue {queue_id} is closed until {open_time}, and so is its overflow."""

    queue_id: str
    open_time: str


class WorkMoveForbidden(FailedPrecondition):
    """Work {work_id} is {state}: this needs one of {allowed}."""

    work_id: str
    state: str
    allowed: tuple[str, ...]


class WorkWithAnother(FailedPrecondition):
    """Work {work_id} is offered to or held by {agent_id}, not by {asked}."""

    work_id: str
    agent_id: str
    asked: str


class OfferLapsed(FailedPrecondition):
    """The offer of work {work_id} to {agent_id} ended at {expire_time}: it goes to somebody else."""

    work_id: str
    agent_id: str
    expire_time: str


class AgentNotAvailable(FailedPrecondition):
    """Agent {agent_id} is {presence}: only one who is AVAILABLE takes work."""

    agent_id: str
    presence: str


class AgentFull(FailedPrecondition):
    """Agent {agent_id} has {free} units free and the work takes {units}: force it with a reason, or wait."""

    agent_id: str
    free: int
    units: int


class PresenceLapsed(FailedPrecondition):
    """The presence of agent {agent_id} lapsed: set it anew before it can be renewed."""

    agent_id: str


class NoAgentOfCaller(FailedPrecondition):
    """{principal} is not registered as an agent, so no work can be offered or accepted."""

    principal: str


class ActsForAnother(PermissionDenied):
    """Acting for agent {agent_id} needs the scope {scope}."""

    agent_id: str
    scope: str


class CallbacksNotOffered(FailedPrecondition):
    """Queue {queue_id} offers no callbacks."""

    queue_id: str


class CallbackOutOfHours(InvalidArgument):
    """Queue {queue_id} is closed at {asked_time}: it opens at {open_time}."""

    wrong_field: ClassVar[str] = "callback_time"
    queue_id: str
    asked_time: str
    open_time: str


class NoteMissing(InvalidArgument):
    """A transfer needs a note that says what was done and what is wanted."""

    wrong_field: ClassVar[str] = "note"


class TransferToItself(InvalidArgument):
    """The work is in queue {queue_id} already."""

    wrong_field: ClassVar[str] = "queue_id"
    queue_id: str


class TimeOutOfOrder(InvalidArgument):
    """From {start_time} to {end_time} is no time of at most {days} days."""

    wrong_field: ClassVar[str] = "end_time"
    start_time: str
    end_time: str
    days: int
