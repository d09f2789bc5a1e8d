from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.mapping.apply import PushRule

HEAD = "version: 1\nconnector: acme\npush:\n"
DIGEST: dict[str, Any] = {
    "subject": "Weekly report",
    "body_text": "All well.",
    "body_html": "<p>All well.</p>",
    "mark": "syncd-7f",
    "recipient": {"email": "wang@acme.example", "name": "Wang"},
    "thread": {"root": None, "parent": None},
    "record": {"number": 12, "period_start": date(2026, 6, 22), "period_end": datetime(2026, 6, 29, tzinfo=UTC)},
    "target": {"work_item": "W-1", "deal": 63},
}


def rule(payload: str) -> PushRule:
    text = HEAD + f"  - {{operation: note, from: Digest, target: deal, payload: {payload}}}\n"
    found = loader.parse(text.encode(), connector="acme", path=Path("x"), label="mappings/acme.yaml").push_rule(
        "Digest"
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("{content: {from: body_text, required: true}}", {"content": "All well."}),
        ("{content: body_text}", {"content": "All well."}),
        (
            "{data: {note: {title: subject, body: body_html}}}",
            {"data": {"note": {"title": "Weekly report", "body": "<p>All well.</p>"}}},
        ),
        ("{data: [{id: target.deal}, {const: 1}]}", {"data": [{"id": 63}, 1]}),
        (
            "{content: {template: '{subject} no. {record.number} [{mark}]'}}",
            {"content": "Weekly report no. 12 [syncd-7f]"},
        ),
        (
            "{from_date: record.period_start, to: record.period_end}",
            {"from_date": "2026-06-22", "to": "2026-06-29T00:00:00+00:00"},
        ),
        ("{from: subject}", None),
        ("{parent: {id: thread.parent}, list: [sender], title: subject}", {"title": "Weekly report"}),
        ("{sender: {from: sender, default: syncd}}", {"sender": "syncd"}),
        ("{title: {from: subject, transform: {truncate: {max: 7}}}}", {"title": "Weekly…"}),
        ("{public: {const: false}}", {"public": False}),
        ("{kind: {from: record.number, values: {12: final}}}", {"kind": "final"}),
        ("{}", {}),
    ],
)
def test_a_payload_is_built(payload: str, expected: dict[str, Any] | None) -> None:
    # A payload's own keys are the vendor's, so that even `from` is one at the top.
    assert rule(payload).payload(DIGEST) == (expected if expected is not None else {"from": "Weekly report"})


def test_a_rule_says_what_it_writes_and_where() -> None:
    found = rule("{content: body_text}")

    assert (found.operation, found.source, found.target) == ("note", "Digest", "deal")


def test_several_targets_are_tried_in_order() -> None:
    text = HEAD + "  - {operation: note, from: Digest, target: opportunity|account, payload: {a: subject}}\n"

    found = loader.parse(text.encode(), connector="acme", path=Path("x")).push_rule("Digest")

    assert found is not None
    assert found.target == "opportunity | account"


def test_a_required_value_that_is_not_there_is_named() -> None:
    with pytest.raises(MappingError) as caught:
        rule("{parent: {id: {from: thread.parent, required: true}}}").payload(DIGEST)

    assert str(caught.value) == (
        "note: thread.parent gives nothing, and is required in mappings/acme.yaml → note.payload.parent.id"
    )


def test_a_value_that_is_not_in_the_table_is_named() -> None:
    with pytest.raises(MappingError) as caught:
        rule("{kind: {from: record.number, values: {1: first}}}").payload(DIGEST)

    assert str(caught.value) == (
        "note: record.number 12 has no entry in mappings/acme.yaml → note.payload.kind.values (it knows 1)"
    )


def test_a_rule_is_chosen_by_source_and_operation() -> None:
    text = HEAD + (
        "  - {operation: note, from: Digest, target: deal, payload: {a: subject}}\n"
        "  - {operation: mail, from: Digest, target: recipient, payload: {a: subject}}\n"
        "  - {operation: task, from: FollowUp, target: deal, payload: {a: anything.at.all}}\n"
    )
    mapping = loader.parse(text.encode(), connector="acme", path=Path("x"))

    chosen = [
        mapping.push_rule("Digest"),
        mapping.push_rule("Digest", operation="mail"),
        mapping.push_rule("FollowUp"),
        mapping.push_rule("Digest", operation="call"),
    ]

    assert [found and found.operation for found in chosen] == ["note", "mail", "task", None]
