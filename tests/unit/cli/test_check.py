"""`syncd check`: what is said about a connection that answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from syncd import registry
from syncd.cli import check
from syncd.engine.workspace import Workspace
from syncd.sdk.connector import Identity


def space(connector: str, identity: Identity) -> Workspace:
    """Return a workspace without a key whose one connection answers with `identity`."""
    service = SimpleNamespace(secrets=SimpleNamespace(key=None))
    made: Any = SimpleNamespace(
        connection=lambda name: SimpleNamespace(connector=connector),
        connector=lambda name: SimpleNamespace(check=lambda: identity),
        spec=lambda name: registry.spec(connector),
        config=SimpleNamespace(service=service),
    )
    return cast("Workspace", made)


@pytest.mark.parametrize(
    ("connector", "notes"),
    [
        ("email", []),
        ("github", []),
        ("slack", []),
        ("redmine", []),
        ("zoho_crm", ["secrets.key is not set: grants are kept in memory only"]),
        ("pingcode", ["secrets.key is not set: grants are kept in memory only"]),
        ("fxiaoke", ["secrets.key is not set: grants are kept in memory only"]),
    ],
)
def test_a_missing_key_is_told_only_where_there_are_grants_to_keep(connector: str, notes: list[str]) -> None:
    found = check._checked(space(connector, Identity("Ann Lee")), "it")

    assert found["notes"] == notes


@pytest.mark.parametrize(
    ("skew", "ok", "notes"),
    [
        (None, True, []),
        (59.0, True, []),
        (-240.0, True, ["the clocks differ by -240 s; set this machine's clock"]),
        (301.0, False, ["the clocks differ by +301 s; set this machine's clock"]),
    ],
)
def test_clocks_that_differ_by_more_than_five_minutes_need_a_person(
    capsys: pytest.CaptureFixture[str], skew: float | None, ok: bool, notes: list[str]
) -> None:
    found = check._checked(space("github", Identity("Ann Lee", clock_skew_seconds=skew)), "it")
    check._show([found])

    assert (found["ok"], found["notes"]) == (ok, notes)
    assert ("▲" in capsys.readouterr().out) is not ok
