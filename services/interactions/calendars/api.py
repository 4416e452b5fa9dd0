"""`CalendarsService`: calendars, and when something would be due."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.interactions.v1 import calendars_pb2 as pb
from kehu.interactions.v1 import calendars_pb2_grpc

from libs.chassis.codec import field_of, from_proto, merge, to_proto
from libs.chassis.paging import PageRequest
from libs.chassis.validation import inside, validate
from libs.worktime.terms import Term
from services.interactions.calendars.application import Calendars
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.calendars.store import CalendarsStore


class CalendarsApi(calendars_pb2_grpc.CalendarsServiceServicer):
    """Serves `kehu.interactions.v1.CalendarsService`."""

    def __init__(self, store: CalendarsStore) -> None:
        self._calendars = Calendars(store)

    def CreateCalendar(self, request: pb.CreateCalendarRequest, _: object) -> pb.BusinessCalendar:
        with inside("calendar"):
            return calendar(self._calendars.create(from_proto(BusinessCalendar, request.calendar)))

    def GetCalendar(self, request: pb.GetCalendarRequest, _: object) -> pb.BusinessCalendar:
        return calendar(self._calendars.get(request.calendar_id))

    def ListCalendars(self, request: pb.ListCalendarsRequest, _: object) -> pb.ListCalendarsResponse:
        page = self._calendars.list(PageRequest.of(request))
        return pb.ListCalendarsResponse(calendars=map(calendar, page.items), next_page_token=page.next_page_token)

    def UpdateCalendar(self, request: pb.UpdateCalendarRequest, _: object) -> pb.BusinessCalendar:
        def merged(current: BusinessCalendar) -> BusinessCalendar:
            return _checked(merge(BusinessCalendar, current, request.calendar, request.update_mask))

        return calendar(self._calendars.update(request.calendar.id, merged, request.calendar.revision))

    def ExplainDue(self, request: pb.ExplainDueRequest, _: object) -> pb.ExplainDueResponse:
        term, start_time = field_of(request, "term", Term), field_of(request, "start_time", datetime, None)
        return to_proto(self._calendars.explain(term, start_time), pb.ExplainDueResponse)


def calendar(entity: BusinessCalendar) -> pb.BusinessCalendar:
    """The message of a calendar."""
    return to_proto(entity, pb.BusinessCalendar)


def _checked(changed: BusinessCalendar) -> BusinessCalendar:
    with inside("calendar"):
        validate(calendar(changed))
    return changed
