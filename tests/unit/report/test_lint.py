from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from syncd.model.communication import CommunicationRecord, Digest, Show
from syncd.report import record
from syncd.report.lint import problems
from syncd.report.render import render
from tests.unit.report.samples import ALL, at, done, facts, milestone, task


def made(**fields: Any) -> CommunicationRecord:
    tasks = [task("late", due_date=date(2026, 3, 2)), done("finished", at(3, 3))]
    return record.build(
        facts(**{"tasks": tasks, "milestones": [milestone("UAT", due_date=date(2026, 3, 20))], **fields})
    )


def shown(given: CommunicationRecord) -> Digest:
    return render(given, audience="pm", is_client=True, content="digest", locale="en", show=ALL, words={})


def with_line(given: CommunicationRecord, field: str, **update: Any) -> CommunicationRecord:
    [line] = getattr(given, field)
    return given.model_copy(update={field: [line.model_copy(update=update)]})


def with_progress(given: CommunicationRecord, **update: Any) -> CommunicationRecord:
    return given.model_copy(update={"progress": given.progress.model_copy(update=update)})


def test_a_faultless_digest_may_go() -> None:
    assert problems(made(), shown(made()), other_accounts=["Beta", "贝塔科技"]) == []


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (with_line(made(), "overdue", holder=None), "overdue: 'late' does not say who holds it"),
        (
            made().model_copy(update={"overdue": []}),
            "next: 'late' is due in the past (2026-03-02) and not marked overdue",
        ),
        (with_line(made(), "milestones", baseline_due_date=None), "milestones: 'UAT' has a date and no baseline"),
        (
            with_line(made(), "milestones", due_date=date(2026, 3, 2)),
            "milestones: 'UAT' is due in the past (2026-03-02) and not marked overdue",
        ),
        (with_progress(made(), total_count=3), "progress: the states add up to 2, the total says 3"),
        (with_progress(made(), done_weight=9.0), "progress: more is done than there is, a percentage is above 100"),
        (made().model_copy(update={"done": []}), "done: 0 items are listed, progress says 1"),
    ],
)
def test_a_faulty_record_is_held(faulty: CommunicationRecord, fault: str) -> None:
    assert fault in problems(faulty, shown(faulty))


@pytest.mark.parametrize(
    ("update", "fault"),
    [
        ({"body_markdown": "## Done (1)\n\n## Overdue (1)\n\n- a\n"}, "'Done (1)' is an empty block"),
        ({"body_text": "Hello {{ name }}"}, "'{{' is left over from a template"),
        ({"body_text": "due on {day}"}, "'{day}' is left over from a template"),
        ({"body_text": "due on None"}, "'None' is left over from a template"),
        ({"body_text": "120% done"}, "a percentage is above 100: 120%"),
        ({"subject": " "}, "the subject is empty"),
    ],
)
def test_a_faulty_rendering_is_held(update: dict[str, str], fault: str) -> None:
    faulty = shown(made()).model_copy(update=update)

    assert fault in problems(made(), faulty)


def test_marks_and_percentages_in_vendor_text_are_no_fault() -> None:
    given = made(tasks=[task("Replace {{ user }} and {name}, raise to 150% or None", due_date=date(2026, 3, 9))])

    assert problems(given, shown(given)) == []


@pytest.mark.parametrize("title", ["Copy the page of Beta GmbH", "copy from beta gmbh", "(Beta GmbH)"])
def test_another_clients_name_is_a_fault_in_vendor_text_too(title: str) -> None:
    given = made(tasks=[task("a", title=title, due_date=date(2026, 3, 9))])

    assert problems(given, shown(given), other_accounts=["Beta GmbH"]) == [
        "the digest names another client: 'Beta GmbH'"
    ]


def test_a_chinese_client_name_is_found_inside_a_sentence() -> None:
    given = made(tasks=[task("a", title="参照贝塔科技的页面", due_date=date(2026, 3, 9))])

    assert problems(given, shown(given), other_accounts=["贝塔科技"]) == ["the digest names another client: '贝塔科技'"]


def test_a_client_named_like_one_of_our_own_words_is_no_fault() -> None:
    assert problems(made(), shown(made()), other_accounts=["Next", "Data", "Progress"]) == []


def test_another_clients_name_in_a_task_that_is_not_shown_is_no_fault() -> None:
    given = made(tasks=[task("a", title="Copy from Beta GmbH", due_date=date(2026, 3, 9), type="bug")])
    digest = render(given, audience="pm", is_client=True, content="digest", locale="en", show=Show(), words={})

    assert problems(given, digest, other_accounts=["Beta GmbH"]) == []


def test_a_digest_of_another_record_is_held() -> None:
    assert problems(made(number=10), shown(made())) == ["the digest was made from another record"]


def test_a_name_inside_another_word_or_inside_our_own_is_no_fault() -> None:
    given = made(tasks=[task("a", title="Alphabetical order", due_date=date(2026, 3, 9))])

    assert problems(given, shown(given), other_accounts=["Beta", "Acme", ""]) == []
