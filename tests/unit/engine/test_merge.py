"""Merging one thing of several systems: the owner's word counts, the rest is kept as a conflict."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.merge import merge
from syncd.model.entities import Contact, Ref, entity_id


def contact(connection: str, **fields: Any) -> Contact:
    ref = Ref(connection=connection, stream="contacts", remote_id="1")
    values = {"full_name": "Li Na", **fields}
    return Contact(id=entity_id(connection, "contacts", "1"), ref=ref, **values)


def test_the_owner_wins_whatever_the_order() -> None:
    crm, desk = contact("crm", phone="1"), contact("desk", phone="2")

    one, conflicts = merge("person:x", [desk, crm], ["crm"])
    other, _ = merge("person:x", [crm, desk], ["crm"])

    assert one == other
    assert one["phone"] == "1"
    assert [(c.field, c.chosen, c.chosen_from, c.other, c.other_from, c.rule) for c in conflicts] == [
        ("phone", '"1"', "crm", '"2"', "desk", "owner")
    ]


def test_without_an_owner_the_first_listed_decides_and_says_so() -> None:
    merged, conflicts = merge("person:x", [contact("desk", phone="2"), contact("crm", phone="1")], [])

    assert merged["phone"] == "2"
    assert conflicts[0].rule == "first listed"


def test_what_the_owner_does_not_know_is_filled_in_without_a_conflict() -> None:
    merged, conflicts = merge("person:x", [contact("crm"), contact("desk", job_title="CIO")], ["crm"])

    assert merged["job_title"] == "CIO"
    assert conflicts == []


def test_case_and_blanks_at_the_ends_are_no_conflict() -> None:
    _, conflicts = merge("person:x", [contact("crm", full_name="Li Na"), contact("desk", full_name=" LI NA ")], ["crm"])

    assert conflicts == []


names = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(names, st.sampled_from(["1", "2", "3", None])), max_size=6), st.lists(names, unique=True))
def test_no_value_is_ever_lost(given_values: list[tuple[str, str | None]], owners: list[str]) -> None:
    people = [contact(connection, phone=phone) for connection, phone in dict(given_values).items()]

    merged, conflicts = merge("person:x", people, owners)

    kept = {f'"{merged["phone"]}"'} if "phone" in merged else set()
    kept |= {conflict.other or "" for conflict in conflicts if conflict.field == "phone"}
    assert kept == {f'"{person.phone}"' for person in people if person.phone}
