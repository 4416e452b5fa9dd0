"""Use-cases of contracts: how long the customers of a plan stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from libs.chassis import identity
from libs.chassis.operations import Job
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.retention import ContractModel, Spell, columns, survivals
from services.profiles.worth.store import WorthStore

PERIOD_MONTHS = 12
PROJECTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFitRequest:
    """The plan whose contracts are to be counted, in periods of so many months. 0 stands for a year."""

    plan: str
    period_months: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFitProgress:
    """Checkpoint of a fit, which starts again when it was interrupted."""


class ContractModels:
    """The fit over all contracts of a plan."""

    def __init__(self, store: WorthStore) -> None:
        self._store = store

    def run(self, job: Job[ContractFitRequest, ContractFitProgress]) -> ContractModel:
        """Count and fit, as an operation. It only reads, so one that is interrupted starts again."""
        from services.profiles.worth.domain import sbg

        plan, period = job.request.plan, job.request.period_months or PERIOD_MONTHS
        now = identity.now()
        into = {id: survivor for survivor, group in self._store.customers.groups().items() for id in group}
        terms: dict[str, tuple[date, date | None]] = {}
        for batch in self._store.contracts.of_all():
            for each in batch:
                if each.plan == plan:
                    customer_id = into.get(each.customer_id, each.customer_id)
                    first, last = terms.get(customer_id, (each.valid_from_date, date.min))
                    ends = None if last is None or each.valid_to_date is None else max(last, each.valid_to_date)
                    terms[customer_id] = min(first, each.valid_from_date), ends
            job.progress(len(terms), 0)
        spells = [Spell.of(first, last, now.date(), period) for first, last in terms.values()]
        model = sbg.fit(*columns(spells))
        return ContractModel(
            plan=plan,
            period_months=period,
            customer_count=len(spells),
            lost_count=sum(spell.lost for spell in spells),
            alpha=model.alpha,
            beta=model.beta,
            survival=tuple(survivals((spell.tenure, spell.lost) for spell in spells)),
            projected_survival=tuple(model.survival(t) for t in range(1, PROJECTED + 1)),
            basis=Basis.of("contract_survival", None, now, len(spells)),
        )
