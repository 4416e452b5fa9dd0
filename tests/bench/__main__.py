"""Measures the figures that are promised, each beside its bare baseline in the same run.

    python -m tests.bench [--quick] [--json FILE] [name …]

Names: get list create update relay inbox visible start memory imports growth duplicates
worth deals forecast simulation cases warnings refolds pops routing
staffing answers scores page; all of them when none is given. Rows of docs/figures.md are replaced by what was
measured, unless it was --quick.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from tests.bench import calls, deals, desk, duplicates, events, floor, processes, sizes, surveys, worth
from tests.bench.figures import Figure, as_json, record, table
from tests.bench.stage import Stage, stage

FIGURES: Mapping[str, Callable[[Stage], Figure | list[Figure]]] = {
    "memory": processes.memory,
    "start": processes.start,
    "visible": events.visible,
    "get": calls.get,
    "masking": calls.masking,
    "list": calls.list_,
    "create": calls.create,
    "update": calls.update,
    "relay": events.relay,
    "inbox": events.inbox,
    "imports": sizes.imports,
    "growth": sizes.growth,
    "duplicates": duplicates.duplicates,
    "worth": worth.worth,
    "deals": deals.deals,
    "forecast": deals.forecast,
    "simulation": deals.simulation,
    "cases": desk.cases,
    "warnings": desk.warnings,
    "refolds": desk.refolds,
    "pops": floor.pops,
    "routing": floor.routing,
    "staffing": floor.staffing,
    "answers": surveys.answers,
    "scores": surveys.scores,
    "page": surveys.page,
}


def main() -> int:
    """Runs the benchmarks. 1 when a figure misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="figures to measure", metavar="name")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a measurement")
    parser.add_argument(
        "--customers", type=int, default=0, help="of how many the figures `duplicates` and `worth` are", metavar="N"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    console = Console(width=150)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was measured is shown and all is ended
    found: list[Figure] = []
    try:
        with stage(quick=arguments.quick, customers=arguments.customers) as running:
            for name in arguments.names or FIGURES:
                begun = time.monotonic()
                measured = FIGURES[name](running)
                found += measured if isinstance(measured, list) else [measured]
                console.print(f"[dim]{name}: {time.monotonic() - begun:.0f} s[/dim]")
    finally:
        console.print(table(found))
        if not arguments.quick:
            record(found)
        if arguments.json:
            arguments.json.write_text(json.dumps(as_json(found), indent=2) + "\n")
    return 0 if all(figure.ok for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
