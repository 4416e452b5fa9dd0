"""Tables of `kehu ops` in a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from libs.command.views.ops import _table


def test_what_says_which_row_it_is_stays_whole_at_80_columns() -> None:
    table = _table("subscription", ">waiting", ">in work", ">consumers", ">in/s", ">out/s", ">oldest", ">parked")
    name = "interactions.customers_by_tier.11"
    table.add_row(name, "12345", "500", "2", "120", "118", "> 1 h 5 min", "12")
    shown = io.StringIO()
    Console(file=shown, width=80).print(table)
    assert name in shown.getvalue()
