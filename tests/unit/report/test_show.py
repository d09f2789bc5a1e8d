from __future__ import annotations

import pytest

from syncd.model.communication import Show


@pytest.mark.parametrize(
    ("show", "type_", "labels", "is_shown"),
    [
        (Show(), "task", ["client"], False),
        (Show(types=("task",)), "task", [], True),
        (Show(types=("task",)), "bug", [], False),
        (Show(types=("task",)), None, [], False),
        (Show(labels=("client",)), None, ["client", "x"], True),
        (Show(labels=("client",)), "task", ["x"], False),
        (Show(types=("task",), labels=("client",)), "task", ["client"], True),
        (Show(types=("task",), labels=("client",)), "task", [], False),
        (Show(types=("task",), labels=("client",)), "bug", ["client"], False),
        (Show(types=()), "task", [], False),
        (Show(types=("task",), labels=()), "task", ["client"], False),
        (Show(types=("*",)), None, [], True),
        (Show(types=("task",), labels=("*",)), "task", [], True),
    ],
)
def test_only_what_is_named_leaves(show: Show, type_: str | None, labels: list[str], is_shown: bool) -> None:
    assert show.selects(type_, labels) is is_shown
