"""What makes two sends the same send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.addressing import idempotency_key
from syncd.engine.census import may_delete
from syncd.engine.compose import plan_hash

parts = st.lists(st.text(st.characters(blacklist_characters="\x1f", blacklist_categories=["Cs"])), min_size=1)


@given(parts, parts)
def test_equal_parts_and_only_those_give_one_key(one: list[str], other: list[str]) -> None:
    assert (idempotency_key(*one) == idempotency_key(*other)) is (one == other)
    assert len(idempotency_key(*one)) == 40


def test_a_key_stays_what_it_was_in_every_release() -> None:
    key = idempotency_key("acme", "Portal", "run 1", "mail", "send_mail", "li@acme.example")

    assert key == "c357e588418548a836acab3c508ccf0bc71846af"


def test_the_order_of_what_waits_does_not_change_a_plans_hash() -> None:
    assert plan_hash([], [("a", "1"), ("b", "2")]) == plan_hash([], [("b", "2"), ("a", "1")])
    assert plan_hash([], [("a", "1")]) != plan_hash([], [("a", "2")])


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_never_all_and_never_many_at_once(held: int, vanished: int) -> None:
    allowed = may_delete(held, vanished)

    assert not (allowed and vanished >= held > 0)
    assert not (allowed and vanished > 10 and vanished * 10 > held)
