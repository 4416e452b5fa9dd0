from libs.chassis.service import Service
from libs.engine.run import main
from tests.support.ledger_service.operations import kinds
from tests.support.ledger_service.store import LedgerStore, subscriptions

SERVICE = Service(
    name="ledger", store=LedgerStore, servicers=lambda _: [], subscriptions=subscriptions, operations=kinds
)

if __name__ == "__main__":
    main(SERVICE)
