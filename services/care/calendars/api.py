"""`CalendarsService`: dates that people keep, public holidays, and clocks of zones."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date

from kehu.care.v1 import calendars_pb2 as pb
from kehu.care.v1 import calendars_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.enums import enum_word
from services.care.calendars import domain
from services.care.calendars.application import Holidays
from services.care.calendars.domain import HolidayYear, WallPolicy
from services.care.calendars.store import CalendarsStore


class CalendarsApi(calendars_pb2_grpc.CalendarsServiceServicer):
    """Serves `kehu.care.v1.CalendarsService`."""

    def __init__(self, store: CalendarsStore) -> None:
        self._holidays = Holidays(store)

    def ResolveFestivals(self, request: pb.ResolveFestivalsRequest, _: object) -> pb.ResolveFestivalsResponse:
        cultures = [enum_word(pb.Culture.DESCRIPTOR, each) for each in request.cultures]
        days = domain.festival_days(request.festivals, cultures, request.first_year, request.last_year)
        return pb.ResolveFestivalsResponse(days=[to_proto(each, pb.FestivalDay) for each in days])

    def ResolveLunarDate(self, request: pb.ResolveLunarDateRequest, _: object) -> pb.LunarDate:
        asked = request.lunar_date
        found = domain.civil_date(asked.year, asked.month, asked.day, leap=asked.leap_month)
        return to_proto(found, pb.LunarDate)

    def ResolveCivilDate(self, request: pb.ResolveCivilDateRequest, _: object) -> pb.LunarDate:
        return to_proto(domain.lunar_date(field_of(request, "date", date)), pb.LunarDate)

    def GetLunarYear(self, request: pb.GetLunarYearRequest, _: object) -> pb.LunarYear:
        return to_proto(domain.lunar_year(request.year), pb.LunarYear)

    def ResolveSolarTerms(self, request: pb.ResolveSolarTermsRequest, _: object) -> pb.ResolveSolarTermsResponse:
        days = domain.solar_terms(request.first_year, request.last_year)
        return pb.ResolveSolarTermsResponse(days=[to_proto(each, pb.SolarTermDay) for each in days])

    def ResolveWallTime(self, request: pb.ResolveWallTimeRequest, _: object) -> pb.WallTime:
        day, policy = field_of(request, "date", date), field_of(request, "policy", WallPolicy, WallPolicy.FIRST)
        return to_proto(domain.wall_time(request.time_zone, day, request.minute, policy), pb.WallTime)

    def ResolveTransitions(self, request: pb.ResolveTransitionsRequest, _: object) -> pb.ResolveTransitionsResponse:
        found = domain.transitions(request.time_zone, request.first_year, request.last_year)
        return pb.ResolveTransitionsResponse(transitions=[to_proto(each, pb.Transition) for each in found])

    def PublishHolidays(self, request: pb.PublishHolidaysRequest, _: object) -> pb.HolidayYear:
        return to_proto(self._holidays.publish(field_of(request, "holiday_year", HolidayYear)), pb.HolidayYear)

    def GetHolidays(self, request: pb.GetHolidaysRequest, _: object) -> pb.HolidayYear:
        return to_proto(self._holidays.get(request.region_code, request.year), pb.HolidayYear)
