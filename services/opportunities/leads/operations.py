"""The long work of leads: learning from them, and counting them."""

from __future__ import annotations

from typing import Any

from kehu.opportunities.v1 import leads_pb2 as pb

from libs.chassis.operations import OperationKind
from services.opportunities.leads.application import FormTask, FormTaskState, Leads
from services.opportunities.leads.store import LeadsStore


def operations(store: LeadsStore) -> list[OperationKind[Any, Any]]:
    """Models and reports of the leads of a form."""
    leads = Leads(store)
    return [
        OperationKind(
            name="learn_lead_model",
            request=pb.LearnLeadModelRequest,
            run=leads.learn,
            result=pb.LeadModel,
            asks=FormTask,
            state=FormTaskState,
        ),
        OperationKind(
            name="report_leads",
            request=pb.ReportLeadsRequest,
            run=leads.report,
            result=pb.LeadReport,
            asks=FormTask,
            state=FormTaskState,
        ),
    ]
