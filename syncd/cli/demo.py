"""`syncd demo`: the whole job on loopback, with nothing configured."""

from __future__ import annotations

from syncd.cli.output import JsonFlag


def demo(as_json: JsonFlag = False) -> None:  # noqa: FBT002
    """Show the whole job on loopback in under a minute."""
