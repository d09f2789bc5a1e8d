from __future__ import annotations

import re
from calendar import month_abbr
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.model.communication import CommunicationRecord, Digest, Freshness, Person, Show
from syncd.model.entities import Holder, MilestoneStatus, TaskStatus
from syncd.report import record
from syncd.report.lint import problems
from syncd.report.render import render
from tests.unit.report import hostile
from tests.unit.report.samples import (
    ALL,
    FRIDAY,
    SHANGHAI,
    WEEK,
    after,
    at,
    decision,
    done,
    facts,
    milestone,
    source,
    task,
    two_weeks,
)

NOTHING = Show()


def digest(made: CommunicationRecord, **options: Any) -> Digest:
    defaults = {"audience": "pm", "is_client": True, "content": "digest", "locale": "en", "show": ALL, "words": {}}
    return render(made, **{**defaults, **options})


def week(**fields: Any) -> CommunicationRecord:
    """A week in which most things happened, after a report that promised two tasks."""
    uat = milestone("UAT", due_date=date(2026, 3, 17))
    kept, missed = task("Order list", due_date=date(2026, 3, 4)), task("Rights matrix", due_date=date(2026, 3, 5))
    before = facts(
        tasks=[kept, missed], milestones=[uat], baselines={uat.id: date(2026, 3, 10)}, period_end=FRIDAY - WEEK
    )
    now = after(
        replace(before, number=8),
        tasks=[
            done("Order list", at(3, 3), due_date=date(2026, 3, 4), milestone=uat.id, estimate_hours=30.0),
            missed.model_copy(update={"holder": Holder.CLIENT, "estimate_hours": 10.0}),
            task(
                "Single sign-on",
                status=TaskStatus.BLOCKED,
                created_at=at(3, 2),
                start_date=date(2026, 3, 2),
                estimate_hours=10.0,
            ),
        ],
        milestones=[uat.model_copy(update={"due_date": date(2026, 3, 24)})],
        decisions=[decision("WeCom or LDAP?", asked_at=at(3, 2), options=["WeCom", "LDAP"])],
    )
    return record.build(replace(now, **fields))


class Tree(HTMLParser):
    """The elements and attributes of a document, without its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def tree(html: str) -> Tree:
    parsed = Tree()
    parsed.feed(html)
    return parsed


def test_the_whole_digest_in_english() -> None:
    made = digest(week(), answer_by=date(2026, 3, 12))

    assert made.subject == (
        "[2 answers needed by Thu 12 Mar] Customer portal, report 9 – 1 of 3 done – UAT now 24 Mar (was 17 Mar)"
    )
    assert (
        made.body_text
        == """\
Customer portal · Report 9
Acme
27 Feb – 6 Mar 2026 · Author: Zhang Wei
Data as of 6 Mar 15:58 (PingCode 15:58) · complete

NEEDS YOU (2)
1. WeCom or LDAP? (Options: WeCom or LDAP · waiting 4 working days)
2. Rights matrix (wanted by 5 Mar)
Please answer by Thu 12 Mar.

IN ONE BREATH
Promised in report 8 for this period and done: 1 of 2 items.
UAT is now expected on 24 Mar, 10 working days after the first promise of 10 Mar.
1 item is overdue (1 with you).
2 answers are awaited from you.

PROGRESS
▓▓▓▓▓▓░░░░░░░░░░░░░░ 33% · 1 of 3 items
60% by estimated hours (30 of 50 h)
This period: 1 done, 1 added, 0 removed

DONE (1)
UAT
- Order list (3 Mar)

PLANNED, NOT DONE (1)
- Rights matrix (waits for you · promised for 5 Mar)

IN PROGRESS (1)
- Single sign-on (blocked · 4 working days so far)

OVERDUE (1)
- ▲ Rights matrix (1 working day late · with you · 5 Mar)

NEXT, BEFORE 13 MAR (1)
- ▲ Rights matrix (overdue · 5 Mar)

MILESTONES
- ▲ UAT (1 of 1 item) — Baseline: 10 Mar, Last: 17 Mar, Now: 24 Mar, Slip (working days): +10

SINCE YOU LAST RECEIVED (REPORT 8, 27 FEB)
UAT: 17 Mar → 24 Mar
1 done, 1 added, 0 removed, 1 newly overdue
Promised 2, kept 1

HOW COMPLETE THE DATA ARE
PingCode: read 6 Mar 15:58, complete

--
How the numbers are made
Deleted and cancelled items are in no total. Done means finished within the period. An item without a date of its own \
is due with its milestone. Next is what is open and due before the next report, overdue included. Days are working \
days of both sides; slip counts from the first promised date.
Contact: Zhang Wei
To change how often you receive this, or to stop it, reply to this message or tell your contact.
"""
    )


def test_the_chinese_digest_opens_with_what_needs_the_client() -> None:
    made = digest(week(), locale="zh-CN", answer_by=date(2026, 3, 12))

    assert made.subject.split(" – ") == [
        "[请于3月12日\uff08周四\uff09前答复 2 项] Customer portal 第 9 期报告",
        "已完成 1 / 3",
        "UAT 现为3月24日\uff08原3月17日\uff09",
    ]
    head = made.body_text.split("【概览】")[0]
    assert head.splitlines()[5:] == [
        "【需要您 (2)】",
        "1. WeCom or LDAP? (选项：WeCom / LDAP · 已等待 4 个工作日)",
        "2. Rights matrix (希望于3月5日前完成)",
        "请在3月12日（周四）前答复。",
        "",
    ]


def test_chinese_counts_carry_their_measure_word() -> None:
    text = digest(week(), locale="zh-CN").body_text

    assert "本期：完成 1 项，新增 1 项，移除 0 项" in text
    assert "完成 1 项，新增 1 项，移除 0 项，新逾期 1 项\n承诺 2 项，兑现 1 项" in text


def test_the_address_of_our_contact_can_be_copied_and_that_in_vendor_text_calls_nobody() -> None:
    people = [
        Person(name="zhang_wei@agency.example", email="zhang_wei@agency.example", is_client=False),
        Person(name="Li @all", email="li@agency.example", is_client=False),
    ]

    made = digest(week(key_contacts=people, author="ask wang@client.example"))

    assert "Contact: zhang_wei@agency.example, Li @\u2060all" in made.body_text
    assert "Contact: zhang\\_wei@agency.example, Li @\u2060all" in made.body_markdown
    assert "Author: ask wang@\u2060client.example" in made.body_text


def test_the_foot_speaks_of_no_mail_since_it_stands_in_chats_and_notes_too() -> None:
    for locale, way in (
        ("en", "reply to this message or tell your contact."),
        ("zh-CN", "请回复本消息或告知您的联系人。"),
    ):
        made = digest(week(), locale=locale)

        assert made.body_text.endswith(f"{way}\n")
        assert way in made.body_html


MONTHS = {month_abbr[n]: n for n in range(1, 13)}


def said(text: str) -> tuple[Counter[tuple[int, int]], Counter[str]]:
    """The dates and the other numbers of a text, in either language."""
    dates: list[tuple[int, int]] = []

    def english(found: re.Match[str]) -> str:
        dates.append((MONTHS[found[2].title()], int(found[1])))
        return " "

    def chinese(found: re.Match[str]) -> str:
        dates.append((int(found[1]), int(found[2])))
        return " "

    names = "|".join(MONTHS)
    rest = re.sub(rf"(?i)\b(\d+) ({names})\b", english, re.sub(r"(\d+)月(\d+)日", chinese, text))
    return Counter(dates), Counter(re.findall(r"\d+(?:[.:]\d+)?", rest))


@pytest.mark.parametrize("is_client", [True, False])
@pytest.mark.parametrize("seed", range(40))
def test_both_languages_state_the_same_dates_numbers_and_names(seed: int, is_client: bool) -> None:
    _, _, made = two_weeks(seed)

    english = digest(made, is_client=is_client, answer_by=date(2026, 3, 12))
    chinese = digest(made, is_client=is_client, answer_by=date(2026, 3, 12), locale="zh-CN")

    for part in ("subject", "body_text", "body_markdown"):
        assert said(getattr(english, part)) == said(getattr(chinese, part)), part
    names = {item.title for item in (*made.done, *made.next)} | {line.name for line in made.milestones}
    assert [n for n in sorted(names) if n in english.body_text] == [n for n in sorted(names) if n in chinese.body_text]


@pytest.mark.parametrize("seed", range(10))
def test_mail_text_and_markdown_state_the_same_facts(seed: int) -> None:
    _, _, made = two_weeks(seed)

    it = digest(made, is_client=False)

    html = " ".join(tree(it.body_html.partition("</head>")[2]).text)
    plain_dates, _ = said(it.body_text)
    assert said(it.body_markdown)[0] == plain_dates
    assert said(html.replace(it.preheader, ""))[0] == plain_dates


@pytest.mark.parametrize(
    ("due", "today", "sentence", "row"),
    [
        (
            date(2026, 3, 3),
            FRIDAY,
            "UAT was due on 3 Mar and is late by 3 working days.",
            "▲ UAT (3 working days late) — Baseline: 3 Mar, Now: 3 Mar, Slip (working days): +3",
        ),
        (
            date(2026, 3, 6),
            FRIDAY + timedelta(days=1),
            "UAT, due on 6 Mar, is late by less than a working day.",
            "▲ UAT (late, no working day yet) — Baseline: 6 Mar, Now: 6 Mar, Slip (working days): 0",
        ),
    ],
    ids=["three days", "over the weekend"],
)
def test_an_open_milestone_past_its_date_is_late_in_subject_summary_and_table(
    due: date, today: datetime, sentence: str, row: str
) -> None:
    stones = [milestone("UAT", due_date=due), milestone("Launch", due_date=date(2026, 3, 20))]

    made = digest(record.build(facts(milestones=stones, now=today)))

    assert made.subject == f"Customer portal, report 9 – UAT overdue, was due {due.day} Mar"
    assert sentence in made.body_text
    assert row in made.body_text
    assert "stand as first promised" not in made.body_text
    assert "▲&nbsp;" in made.body_html


def test_an_overdue_milestone_is_late_in_chinese_too() -> None:
    made = digest(record.build(facts(milestones=[milestone("UAT", due_date=date(2026, 3, 3))])), locale="zh-CN")

    assert made.subject == "Customer portal 第 9 期报告 – UAT 已逾期（定于3月3日）"
    assert "“UAT”定于3月3日，尚未达成，已逾期 3 个工作日。" in made.body_text
    assert "偏差（工作日）: +3" in made.body_text


def test_news_of_a_date_still_to_come_stands_in_the_subject_before_an_overdue_one() -> None:
    stones = [milestone("UAT", due_date=date(2026, 2, 27)), milestone("Launch", due_date=date(2026, 3, 20))]
    later = [stones[0], stones[1].model_copy(update={"due_date": date(2026, 3, 27)})]

    made = digest(record.build(after(facts(milestones=stones, period_end=FRIDAY - WEEK), milestones=later)))

    assert made.subject.endswith(" – Launch now 27 Mar (was 20 Mar)")


def test_a_date_moved_over_holidays_only_is_not_on_plan() -> None:
    stone = milestone("UAT", due_date=date(2026, 2, 19), baseline_due_date=date(2026, 2, 17))

    made = digest(record.build(facts(milestones=[stone], period_end=at(2, 13, 8))))

    assert "- UAT — Baseline: 17 Feb, Now: 19 Feb, Slip (working days): 0" in made.body_text
    assert "stand as first promised" not in made.body_text


def test_a_milestone_on_its_first_date_is_on_plan() -> None:
    made = digest(record.build(facts(milestones=[milestone("UAT", due_date=date(2026, 3, 6))])))

    assert "All milestone dates stand as first promised." in made.body_text
    assert "- UAT — Baseline: 6 Mar, Now: 6 Mar, Slip (working days): on plan" in made.body_text


def test_nothing_is_listed_to_a_client_unless_it_is_named() -> None:
    made = digest(week(), show=NOTHING)

    everything = made.subject + made.body_text + made.body_html + made.body_markdown
    assert not [title for title in ("Order list", "Rights matrix", "Single sign-on") if title in everything]
    assert "OVERDUE (1)\n1 item, not listed one by one" in made.body_text
    assert "1. WeCom or LDAP?" in made.body_text
    assert "and 1 more" in made.body_text


def test_only_the_named_fields_of_a_shown_task_leave() -> None:
    show = Show(types=("*",), fields=("title",))
    tasks = [
        task(
            "Sign-on",
            key="CP-7",
            status=TaskStatus.BLOCKED,
            due_date=date(2026, 3, 2),
            start_date=date(2026, 3, 2),
            assignee="u1",
            url="https://pm.example/CP-7",
        )
    ]

    made = digest(record.build(facts(tasks=tasks, key_contacts=[], author=None)), show=show)

    shown = made.body_text + made.body_html
    assert "Sign-on" in shown
    secrets = ("CP-7", "2 Mar ", "blocked", "Zhang Wei", "so far", " late", "pm.example")
    assert not [secret for secret in secrets if secret in shown]


def test_our_own_people_see_everything_with_links() -> None:
    tasks = [task("Sign-on", key="CP-7", due_date=date(2026, 3, 9), assignee="u1", url="https://pm.example/CP-7")]

    made = digest(record.build(facts(tasks=tasks)), show=NOTHING, is_client=False)

    assert "- Sign-on (CP-7 · Zhang Wei · 9 Mar) <https://pm.example/CP-7>" in made.body_text
    assert "[Sign-on](<https://pm.example/CP-7>)" in made.body_markdown
    assert 'href="https://pm.example/CP-7"' in made.body_html


def test_our_own_people_read_of_the_client_and_not_of_you() -> None:
    made = digest(week(), is_client=False)

    assert "WAITS FOR THE CLIENT (2)" in made.body_text
    assert not re.search(r"\byou\b", made.body_text.partition("\n--\n")[0])


def test_the_clients_words_name_a_status() -> None:
    made = digest(week(), words={"blocked": "on hold at your side"})

    assert "- Single sign-on (on hold at your side · 4 working days so far)" in made.body_text


def test_planned_but_not_done_is_always_there() -> None:
    before = facts(tasks=[task("a", due_date=date(2026, 3, 4))], period_end=FRIDAY - WEEK)

    first = digest(record.build(before))
    kept = digest(record.build(after(before, tasks=[done("a", at(3, 4))])))

    assert "PLANNED, NOT DONE (0)\nNone: this is the first report" in first.body_text
    assert "PLANNED, NOT DONE (0)\nNone: all that report 9 promised for this period is done." in kept.body_text


def test_a_stale_or_failed_source_is_named_before_anything_else() -> None:
    sources = [
        source(Freshness.STALE, data_as_of=at(3, 3, 1)),
        source(Freshness.FAILED, title="Fxiaoke", data_as_of=None),
        source(Freshness.FRESH, title="Zoho", parked=2),
    ]

    made = digest(week(sources=sources))

    assert made.subject.startswith("[Data incomplete] [2 answers needed]")
    head = made.body_text.split("NEEDS YOU")[0]
    assert head.splitlines()[3:9] == [
        "Data as of 3 Mar 09:00 (PingCode 09:00, Fxiaoke not read yet, Zoho 6 Mar 15:58) · incomplete",
        "",
        "■ Data incomplete – not confirmed",
        "PingCode: last read 3 Mar 09:00, older than agreed.",
        "Fxiaoke: the last read failed; there are no data yet.",
        "What follows is the last known state; it may be out of date.",
    ]
    assert "Zoho: read 6 Mar 15:58, 2 records not understood and left out" in made.body_text


def test_two_lines_stand_for_a_week_in_which_nothing_changed() -> None:
    before = facts(
        tasks=[task("a")], decisions=[decision("WeCom or LDAP?", asked_at=at(2, 20))], period_end=FRIDAY - WEEK
    )

    quiet = record.build(after(before))
    made = digest(quiet)

    assert made.is_quiet
    assert problems(quiet, made) == []
    assert made.subject == "[1 answer needed] Customer portal, report 10 – no change"
    assert made.body_text.splitlines()[5:7] == [
        "Nothing has changed since report 9, which you received on 27 Feb.",
        "1 answer is still awaited from you: WeCom or LDAP?",
    ]
    assert "PROGRESS" not in made.body_text


def test_progress_that_fell_only_because_scope_grew_says_so() -> None:
    before = facts(tasks=[done("a", at(2, 20)), task("b")], period_end=FRIDAY - WEEK, number=8)
    new = [task(f"n{n}", created_at=at(3, 3)) for n in range(3)]

    made = digest(record.build(after(before, tasks=[*before.tasks, *new])))

    assert "Progress reads lower than in report 8 only because scope grew from 2 to 5 items." in made.body_text


def test_progress_by_hours_is_shown_only_when_it_reads_differently() -> None:
    near = [done("a", at(3, 3), estimate_hours=11.0), task("b", estimate_hours=10.0)]
    far = [done("a", at(3, 3), estimate_hours=1.0), task("b", estimate_hours=10.5)]

    assert "by estimated hours" not in digest(record.build(facts(tasks=near))).body_text
    assert "8% by estimated hours (1 of 11.5 h)" in digest(record.build(facts(tasks=far))).body_text


def test_almost_done_never_reads_as_done() -> None:
    tasks = [done(f"d{n}", at(2, 3)) for n in range(999)] + [task("last")]

    assert "99% · 999 of 1000 items" in digest(record.build(facts(tasks=tasks))).body_text


def test_a_correction_says_old_and_new() -> None:
    before = facts(tasks=[task("a"), task("b")], period_end=FRIDAY - WEEK, number=8)

    made = digest(record.build(after(before, tasks=[done("a", at(2, 26), updated_at=at(3, 1)), task("b")])))

    assert "Correction to report 8: items done 0 → 1" in made.body_text


def test_a_brief_leaves_out_the_lists_of_tasks() -> None:
    made = digest(week(), content="brief")

    titles = re.findall(r"^## (.*)$", made.body_markdown, flags=re.MULTILINE)
    assert titles == [
        "Needs you (2)",
        "In one breath",
        "Progress",
        "Milestones",
        "Since you last received (report 8, 27 Feb)",
        "How complete the data are",
    ]


def test_long_lists_are_cut_with_the_number_left_out() -> None:
    tasks = [task(f"t{n:03}", due_date=date(2026, 3, 9)) for n in range(222)]

    made = digest(record.build(facts(tasks=tasks)))

    assert "- t009 (9 Mar)\nand 212 more" in made.body_text
    assert "t010" not in made.body_text


def test_too_many_milestones_leave_out_the_reached_ones_first() -> None:
    reached = [
        milestone(f"reached {n}", status=MilestoneStatus.DONE, due_date=date(2026, 1, 5), completed_at=at(1, 5))
        for n in range(10)
    ]
    coming = [milestone(f"coming {n}", due_date=date(2026, 4, 1)) for n in range(10)]

    made = digest(record.build(facts(milestones=[*reached, *coming])))

    assert len(re.findall(r"^- .*coming \d", made.body_text, flags=re.MULTILINE)) == 10
    assert len(re.findall(r"^- .*reached \d", made.body_text, flags=re.MULTILINE)) == 2
    assert "and 8 more" in made.body_text


def test_a_huge_project_with_long_titles_stays_below_80_kilobytes_of_mail() -> None:
    late = {"status": TaskStatus.IN_PROGRESS, "due_date": date(2026, 3, 2), "url": "https://pm.example/" + "x" * 100}
    tasks = [task(f"{n}", title="订单查询" * 1000, **late) for n in range(2000)]
    stones = [milestone(f"{n}", name="验收" * 1000, due_date=date(2026, 3, 20)) for n in range(50)]

    made = digest(record.build(facts(tasks=tasks, milestones=stones)), is_client=False)

    assert len(made.body_html.encode()) < 80_000


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile.TEXT, min_size=9, max_size=9))
def test_hostile_text_changes_no_element_of_the_mail(texts: list[str]) -> None:
    def page(words: list[str]) -> Tree:
        stone = milestone("m", name=words[0] or "m", due_date=date(2026, 3, 20))
        held = task(
            "a",
            title=words[1],
            due_date=date(2026, 3, 2),
            holder=Holder.CLIENT,
            milestone=stone.id,
            url=f"javascript:{words[2]}",
        )
        given = facts(
            tasks=[held, done("b", at(3, 3), title=words[3], milestone=stone.id)],
            milestones=[stone],
            decisions=[decision("q", question=words[4], options=[words[5]], asked_at=at(3, 2))],
            account_name=words[6],
            project_name=words[7],
            author=words[8] or "x",
        )
        return tree(digest(record.build(given), is_client=False).body_html)

    plain, hostile_page = page(["x"] * 9), page(texts)

    assert hostile_page.elements == plain.elements
    assert hostile_page.links == []


def test_the_mail_carries_its_language_its_direction_and_no_outside_resource() -> None:
    made = digest(week(), locale="zh-CN")

    parsed = tree(made.body_html)
    assert made.body_html.startswith("<!DOCTYPE html>")
    assert '<html lang="zh-CN">' in made.body_html
    assert 'dir="auto"' in made.body_html
    assert not {tag for tag, _ in parsed.elements} & {"img", "script", "link", "iframe", "form", "svg"}
    assert "url(" not in made.body_html
    assert "@import" not in made.body_html


def test_the_same_record_renders_the_same() -> None:
    assert digest(week()).content_hash == digest(week()).content_hash
    assert digest(week()).content_hash != digest(week(), locale="zh-CN").content_hash


@pytest.mark.parametrize("seed", range(60))
def test_what_we_build_and_render_passes_our_own_lint(seed: int) -> None:
    _, _, made = two_weeks(seed)

    for locale in ("en", "zh-CN"):
        for show in (ALL, NOTHING):
            assert problems(made, digest(made, locale=locale, show=show)) == []


def test_the_zone_of_the_account_decides_the_day() -> None:
    midnight_in_shanghai = at(3, 2, 16) + timedelta(minutes=30)

    made = digest(record.build(facts(tasks=[done("a", midnight_in_shanghai)], timezone=SHANGHAI)))

    assert "- a (3 Mar)" in made.body_text
