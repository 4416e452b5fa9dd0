"""A service under test: its store in memory, a clock that stands still, its callers, events, timers and long work.

world = World(SERVICE, at=datetime(2026, 8, 10, 9, tzinfo=UTC))
with world.entered():
    made = world.call(CreateCustomerRequest(…), Customer, scopes={"profiles.customers.write"})
    world.deliver()
    world.clock.advance(timedelta(days=1))
    world.tick("lifecycles")
"""

from libs.chassis.testing.jobs import MemoryJob, run_killed_everywhere
from libs.chassis.testing.world import World
from libs.engine.store.memory import MemoryDatabase

__all__ = ["MemoryDatabase", "MemoryJob", "World", "run_killed_everywhere"]
