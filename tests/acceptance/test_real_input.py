"""A real project through real processes, from `syncd init` to the reader's inbox, and its numbers counted again.

Three reports on three Tuesdays of July 2025, when 0.7.0 was promised for the 18th and came on the 22nd. An imitated
GitHub serves the project as it was on the day, an imitated Zoho CRM holds the client, and the mail goes through Postfix
and Dovecot where they run. `recount.py` is the second opinion.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

import connectors.zoho_crm.fake
from tests.acceptance import recount, stage
from tests.acceptance.recount import Count, Export
from tests.acceptance.stage import READER, SPONSOR, Crm, Lab, User

pytestmark = pytest.mark.needs("SYNCD_LAB_DATA")

TUESDAYS: Final = ("2025-07-15T08:00+08:00", "2025-07-22T08:00+08:00", "2025-07-29T08:00+08:00")
WEEK: Final = timedelta(days=7)
KEPT: Final = ("records", "entities", "changes", "links", "communication_records", "outbox", "audit")
reports: Final = pytest.mark.parametrize("number", [1, 2, 3])


@dataclass
class Story:
    """What happened. `shown` is each report as `syncd digest` showed it on its day, `past` once all was over."""

    user: User
    crm: Crm
    export: Export
    runs: list[Any] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)
    past: list[Any] = field(default_factory=list)
    again: Any = None
    checked: Any = None
    sizes: list[dict[str, int]] = field(default_factory=list)
    crm_writes: list[int] = field(default_factory=list)
    status: Any = None
    parked: Any = None
    mails: dict[str, list[EmailMessage]] = field(default_factory=dict)

    def record(self, number: int) -> dict[str, Any]:
        """Return the record of a report as it was shown on its day."""
        record: dict[str, Any] = self.shown[number - 1]["record"]
        return record

    def count(self, number: int) -> Count:
        """Return the second count for a report."""
        return Count(self.export, moment(number))

    def delivered(self, number: int) -> dict[str, Any]:
        """Return the record that the database keeps as sent."""
        found = self.user.rows(f"SELECT body, state FROM communication_records WHERE number = {number}")
        assert [row[1] for row in found] == ["sent"]
        body: dict[str, Any] = json.loads(found[0][0])
        return body

    def note_sizes(self) -> None:
        """Note how much the database and the CRM hold."""
        self.sizes.append({table: self.user.rows(f"SELECT count(*) FROM {table}")[0][0] for table in KEPT})
        self.crm_writes.append(self.crm.fake.writes)

    def numbers(self, ids: list[str]) -> set[int]:
        """Return the issue numbers behind entity ids; every id must be a stored task."""
        found = dict(self.user.rows("SELECT id, remote_id FROM entities WHERE kind = 'Task'"))
        return {int(found[one].rpartition("/")[2]) for one in ids}


def moment(number: int) -> datetime:
    return datetime.fromisoformat(TUESDAYS[number - 1]).astimezone(UTC)


def keys(items: list[Any]) -> set[int]:
    return {int(item["key"].removeprefix("#")) for item in items}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Live through the three weeks once; the tests look at what they left behind."""
    data, mark = Path(os.environ["SYNCD_LAB_DATA"]), uuid4().hex[:8]
    lab = Lab(data)
    with connectors.zoho_crm.fake.Fake() as zoho, stage.mail_server() as mail:
        lab.show(TUESDAYS[0])
        secrets = {
            "SYNCD_KEY": uuid4().hex * 2,
            "GITHUB_TOKEN": lab.token,
            "ZOHO_CRM_CLIENT_SECRET": zoho.config()["client_secret"],
            "ZOHO_CRM_REFRESH_TOKEN": zoho.config()["refresh_token"],
            "EMAIL_PASSWORD": mail.password,
        }
        user = User(tmp_path_factory.mktemp("user"), f"wallet-{mark}", f"libsecp256k1-{mark}", secrets)
        story = Story(user, Crm(zoho), Export(data))
        try:
            live(story, lab, mail)
        finally:
            lab.close()
        yield story


def live(story: Story, lab: Lab, mail: stage.Mailboxes) -> None:
    user = story.user
    stage.set_up(user, lab, story.crm, mail)
    story.checked = user.syncd("check", exit_code=1)  # the lab's clock stands in the past, and `check` says so
    for day in TUESDAYS:
        lab.show(day)
        story.runs.append(user.syncd("run", "--until", day))
        story.shown += user.syncd("digest", user.client, "--as-of", day)
    story.note_sizes()
    story.again = user.syncd("run", "--until", TUESDAYS[-1])
    story.note_sizes()
    story.past = [user.syncd("digest", user.client, "--as-of", day)[0] for day in TUESDAYS]
    story.status, story.parked = user.syncd("status"), user.syncd("parked", "list")
    story.mails = {who: mail.with_subject(user.project, reader=who, at_least=3) for who in (READER, SPONSOR)}


def test_check_finds_nothing_amiss_but_the_clock_of_the_lab(story: Story) -> None:
    amiss = [one for one in story.checked if not one["ok"]]

    assert [one["connection"] for one in amiss] == ["github"]
    assert amiss[0]["missing"] == []
    assert any(note.startswith("the clocks differ by") for note in amiss[0]["notes"])


# -- the record against the second count --------------------------------------------------------------------------


def test_first_run_reads_everything_that_existed(story: Story) -> None:
    streams = {one["stream"]: one for one in story.runs[0]["streams"] if one["connection"] == "github"}

    count = story.count(1)
    written = {name: one["written"] for name, one in streams.items()}
    assert (written["issues"], len(count.states)) == (1615, 1615)
    assert (written["comments"], count.comments) == (8401, 8401)
    assert (written["milestones"], len(count.milestones())) == (7, 7)
    assert {one["error"] for one in streams.values()} == {None}


@reports
def test_no_task_is_missing_and_none_is_invented(story: Story, number: int) -> None:
    remote_ids = [row[0] for row in story.user.rows("SELECT remote_id FROM entities WHERE kind = 'Task'")]

    stored = {int(one.rpartition("/")[2]) for one in remote_ids}
    assert stored >= story.count(number).states.keys()
    assert stored == story.count(3).states.keys()


@reports
def test_tasks_by_state_are_the_same_tasks(story: Story, number: int) -> None:
    record, count = story.record(number), story.count(number)

    claims, under_way = record["claims"], record["in_progress"]
    done, counted = story.numbers(claims["progress.done_count"]), story.numbers(claims["progress.total_count"])
    assert done == count.in_state("done")
    assert counted == count.counted
    assert keys([item for item in under_way if item["status"] == "in_progress"]) == count.in_state("in_progress")
    assert keys([item for item in under_way if item["status"] == "blocked"]) == count.in_state("blocked")
    assert counted - done - keys(under_way) == count.in_state("todo")
    assert count.states.keys() - counted == count.in_state("cancelled")


@reports
def test_progress_is_the_same(story: Story, number: int) -> None:
    progress, count = story.record(number)["progress"], story.count(number)

    done, total = len(count.in_state("done")), len(count.counted)
    assert (progress["done_count"], progress["total_count"]) == (done, total)
    assert progress["by_status"] == {s: len(count.in_state(s)) for s in ("blocked", "done", "in_progress", "todo")}
    assert f" {100 * done // total}% · {done} of {total} items" in story.shown[number - 1]["digest"]["body_text"]


@reports
def test_what_changed_in_the_period_is_the_same(story: Story, number: int) -> None:
    record, count = story.record(number), story.count(number)

    claims, start = record["claims"], moment(number) - WEEK
    assert datetime.fromisoformat(record["period_start"]) == start
    assert keys(record["done"]) == count.done_since(start)
    assert story.numbers(claims["progress.done_this_period"]) == count.done_since(start)
    assert story.numbers(claims["progress.added_this_period"]) == count.added_since(start)
    assert story.numbers(claims["progress.removed_this_period"]) == count.removed_since(start)


@reports
def test_overdue_is_the_same_with_the_days_late(story: Story, number: int) -> None:
    overdue = story.record(number)["overdue"]

    assert {int(item["key"][1:]): item["days_late"] for item in overdue} == story.count(number).overdue


@reports
def test_next_is_what_is_due_before_the_next_report(story: Story, number: int) -> None:
    record, count = story.record(number), story.count(number)

    assert datetime.fromisoformat(record["next_end"]) == moment(number) + WEEK
    assert keys(record["next"]) == count.promised(recount.china(moment(number) + WEEK))
    assert {int(i["key"][1:]): i["due_date"] for i in record["next"]} == {
        n: str(count.due[n]) for n in keys(record["next"])
    }


@pytest.mark.parametrize(
    ("number", "reasons"),
    [(1, {}), (2, {1095: "not_started", 1175: "not_started"}), (3, {1095: "not_started", 1175: "moved"})],
)
def test_planned_not_done_is_what_the_last_report_promised_and_is_not_done(
    story: Story, number: int, reasons: dict[int, str]
) -> None:
    record = story.record(number)

    promised = story.count(number - 1).promised(recount.china(moment(number))) if number > 1 else set()
    broken = promised - story.count(number).in_state("done")
    assert {int(item["key"][1:]): item["reason"] for item in record["planned_not_done"]} == reasons
    assert keys(record["planned_not_done"]) == broken
    if number > 1:
        assert (record["since_last"]["promised"], record["since_last"]["kept"]) == (
            len(promised),
            len(promised - broken),
        )


@reports
def test_milestones_have_the_same_dates_slips_and_counts(story: Story, number: int) -> None:
    ids = dict(story.user.rows("SELECT id, remote_id FROM entities WHERE kind = 'Milestone'"))

    lines = {
        int(ids[line["id"]].rpartition("/")[2]): {
            "name": line["name"],
            "baseline": _date(line["baseline_due_date"]),
            "now": _date(line["completed_date"] or line["due_date"]),
            "is_done": line["status"] == "done",
            "slip": line["slip_days"],
            "late": line["days_late"],
            "done": line["done_count"],
            "total": line["total_count"],
        }
        for line in story.record(number)["milestones"]
    }
    assert lines == story.count(number).milestones()


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def test_release_that_came_two_working_days_late_says_so(story: Story) -> None:
    lines = {line["name"]: line for line in story.record(3)["milestones"]}

    line = lines["0.7.0"]
    assert (line["baseline_due_date"], line["last_due_date"], line["completed_date"]) == (
        "2025-07-18",
        "2025-07-18",
        "2025-07-22",
    )
    assert (line["slip_days"], line["slip_since_last"]) == (2, 2)
    assert [(move["name"], move["was"], move["now"]) for move in story.record(3)["since_last"]["milestone_moves"]] == [
        ("0.7.0", "2025-07-18", "2025-07-22")
    ]


# -- what was sent ------------------------------------------------------------------------------------------------


@reports
def test_what_was_sent_is_what_was_shown_then_and_what_can_be_shown_again(story: Story, number: int) -> None:
    sent = story.delivered(number)

    assert sent["number"] == number
    assert story.record(number)["content_hash"] == sent["content_hash"]
    assert story.past[number - 1]["record"]["content_hash"] == sent["content_hash"]


@reports
def test_every_claim_names_stored_entities(story: Story, number: int) -> None:
    stored = {row[0] for row in story.user.rows("SELECT id FROM entities")}

    claims = story.delivered(number)["claims"]
    assert {one for ids in claims.values() for one in ids} <= stored
    assert len(claims["progress.total_count"]) == len(story.count(number).counted)


@reports
def test_every_run_balances_and_sends_to_each_reader_once(story: Story, number: int) -> None:
    run = story.runs[number - 1]

    assert (run["state"], run["errors"], run["balance"]["is_even"], run["balance"]["parked"]) == ("ok", [], True, 0)
    assert [(one["record"], one["verdict"], one["queued"]) for one in run["digests"]] == [(number, "queued", 3)]
    assert sorted((one["recipient"], one["operation"], one["state"]) for one in run["pushed"]) == sorted(
        [
            (READER, "send_mail", "sent"),
            (SPONSOR, "send_mail", "sent"),
            (story.crm.deal, "create_note", "sent"),
        ]
    )


@pytest.mark.parametrize("reader", [READER, SPONSOR])
def test_each_mail_arrives_once(story: Story, reader: str) -> None:
    arrived = [message["Message-ID"] for message in story.mails[reader]]

    sent = [one["remote_id"] for run in story.runs for one in run["pushed"] if one["recipient"] == reader]
    assert sorted(arrived) == sorted(sent)
    assert len(set(arrived)) == 3


@pytest.mark.parametrize(
    ("reader", "phrase"), [(READER, "1202 of 1352 items"), (SPONSOR, "1202 / 1352 项")], ids=["english", "chinese"]
)
def test_mail_has_text_and_html_with_the_same_figures(story: Story, reader: str, phrase: str) -> None:
    message = mails_in_order(story, reader)[-1]

    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert kinds[:2] == ["text/plain", "text/html"]
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert phrase in text
    assert "88%" in text.replace(" ", "")
    assert "88%" in re.sub(r"<[^>]*>|\s", "", html)


@pytest.mark.parametrize("reader", [READER, SPONSOR])
def test_mails_of_a_quarter_are_one_thread(story: Story, reader: str) -> None:
    first, second, third = mails_in_order(story, reader)

    root = first["References"]
    assert first["In-Reply-To"] is None
    assert (second["In-Reply-To"], second["References"]) == (first["Message-ID"], f"{root} {first['Message-ID']}")
    assert (third["In-Reply-To"], third["References"]) == (second["Message-ID"], f"{root} {second['Message-ID']}")


def mails_in_order(story: Story, reader: str) -> list[EmailMessage]:
    sent = [one["remote_id"] for run in story.runs for one in run["pushed"] if one["recipient"] == reader]
    return sorted(story.mails[reader], key=lambda message: sent.index(message["Message-ID"]))


def test_crm_has_one_note_for_each_digest(story: Story) -> None:
    notes = story.crm.notes

    assert [re.findall(r"report (\d)", note["Note_Title"]) for note in notes] == [["1"], ["2"], ["3"]]
    assert [re.findall(r"\d+% · (.* items)", note["Note_Content"]) for note in notes] == [
        ["1193 of 1343 items"],
        ["1202 of 1349 items"],
        ["1202 of 1352 items"],
    ]
    assert story.crm.fake.refused == []


# -- once more ----------------------------------------------------------------------------------------------------


def test_second_run_with_nothing_new_sends_and_writes_nothing(story: Story) -> None:
    again = story.again

    assert (again["state"], again["pushed"], again["balance"]["written"]) == ("ok", [], 0)
    assert [(one["verdict"], one["queued"]) for one in again["digests"]] == [("nothing new", 0)]
    assert story.sizes[0] == story.sizes[1]
    assert story.crm_writes[0] == story.crm_writes[1]


def test_nothing_waits_for_a_person(story: Story) -> None:
    status = story.status

    assert story.parked == []
    assert (status["parked"], status["outbox"]) == (0, {"sent": 9})
    assert {one["connection"]: one["state"] for one in status["connections"]} == {
        "github": "up",
        "zoho": "up",
        "email": "up",
    }
    assert [(one["record"], one["done"], one["total"]) for one in status["accounts"][0]["projects"]] == [
        (3, 1202, 1352)
    ]


def test_digest_of_a_past_date_bears_the_number_that_it_had(story: Story) -> None:
    assert [shown["record"]["number"] for shown in story.past] == [1, 2, 3]
