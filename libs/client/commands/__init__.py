"""The `kehu` command line, one module per noun."""

from __future__ import annotations

from libs.client.commands.app import run

__all__ = ["run"]
