"""A project's past: what the fake serves for a day, checked by hand on a few rows and by count on a whole project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.github import GitHub, GitHubConfig
from connectors.github.fake import Fake
from connectors.github.history import Export, read_export, rebuild
from connectors.github.rest import Row
from syncd.sdk import ConfigError
from syncd.sdk.testing import Clock, context_for

EXTRACT = Path(__file__).with_name("data")
LAB_DATA = "SYNCD_LAB_DATA"
END = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def export() -> Export:
    return read_export(EXTRACT)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def then(export: Export, number: int, day: str) -> Row:
    rows = {row["number"]: row for row in rebuild(export, at(day)).issues}
    return rows[number]


def without_copies(row: Row) -> Row:
    """Return an issue without its copy of the milestone: exports carry copies of different ages."""
    return {**row, "milestone": (row["milestone"] or {}).get("number")}


def test_at_the_end_everything_is_as_exported(export: Export) -> None:
    rebuilt = rebuild(export, END)

    assert [without_copies(row) for row in rebuilt.issues] == [without_copies(row) for row in export.issues]
    assert rebuilt.milestones == export.milestones
    assert rebuilt.comments == export.comments


def test_what_came_later_is_absent(export: Export) -> None:
    rebuilt = rebuild(export, at("2023-03-10"))

    assert max(row["number"] for row in rebuilt.issues) == 1226
    assert [row["number"] for row in rebuilt.milestones] == [1, 4]
    assert max(row["created_at"] for row in rebuilt.comments) == "2023-03-08T18:54:13Z"


@pytest.mark.parametrize(
    ("number", "moment", "expected"),
    [
        (727, "2026-05-09T09:26:30", ("closed", "completed", "2026-05-09T09:26:27Z")),
        (727, "2026-05-09T09:26:38", ("open", "reopened", None)),
        (727, "2026-05-14T00:00:00", ("closed", "completed", "2026-05-13T14:12:53Z")),
        (1701, "2025-09-02T00:00:00", ("closed", "completed", "2025-09-01T23:11:15Z")),
        (1701, "2025-09-03T00:00:00", ("open", "reopened", None)),
        (550, "2018-08-13T19:21:18", ("closed", None, "2018-08-13T19:21:16Z")),
        (550, "2018-08-14T00:00:00", ("open", None, None)),
        (1428, "2023-10-17T09:29:36", ("open", None, None)),
        (1428, "2023-10-17T09:29:37", ("closed", "completed", "2023-10-17T09:29:37Z")),
    ],
)
def test_state_is_that_of_the_last_turn(
    export: Export, number: int, moment: str, expected: tuple[str, str | None, str | None]
) -> None:
    row = then(export, number, moment)

    assert (row["state"], row["state_reason"], row["closed_at"]) == expected


@pytest.mark.parametrize(
    ("moment", "merged_at"),
    [
        ("2018-08-13T19:21:18", None),
        ("2019-02-21T04:15:21", None),
        ("2019-02-21T04:15:22", "2019-02-21T04:15:22Z"),
    ],
)
def test_merge_shows_when_it_has_happened(export: Export, moment: str, merged_at: str | None) -> None:
    assert then(export, 550, moment)["pull_request"]["merged_at"] == merged_at


@pytest.mark.parametrize(
    ("moment", "title"),
    [
        ("2022-11-16T16:50:00", "Add MSan CI job (and ASan/UBSan/LSan clang one)"),
        ("2022-11-16T16:51:21", "Add MSan CI job"),
        ("2022-11-16T16:51:24", "Add MSan CI jobs"),
    ],
)
def test_renames_are_undone(export: Export, moment: str, title: str) -> None:
    assert then(export, 1155, moment)["title"] == title


@pytest.mark.parametrize(
    ("moment", "number", "title"),
    [
        ("2026-07-28T07:24:12", None, None),
        ("2026-07-28T07:24:13", 10, "0.7.2"),
        ("2026-08-03T22:53:16", None, None),
        ("2026-08-03T22:53:17", 13, "0.8.1"),
    ],
)
def test_milestone_is_the_one_of_that_day_under_its_name_of_that_day(
    export: Export, moment: str, number: int | None, title: str | None
) -> None:
    milestone = then(export, 1885, moment)["milestone"] or {}

    assert (milestone.get("number"), milestone.get("title")) == (number, title)


def test_milestone_is_open_until_it_was_closed_and_counts_its_issues(export: Export) -> None:
    before = {row["number"]: row for row in rebuild(export, at("2023-04-12")).milestones}[4]
    after = {row["number"]: row for row in rebuild(export, at("2023-09-21")).milestones}[4]

    assert (before["title"], before["state"], before["closed_at"]) == ("0.3.2 (or 0.4.0)", "open", None)
    assert (before["open_issues"], before["closed_issues"]) == (1, 1)
    assert (after["title"], after["state"], after["closed_at"]) == ("0.4.0", "closed", "2023-09-20T09:54:42Z")


@pytest.mark.parametrize(
    ("moment", "logins"),
    [("2016-05-11T06:09:16", []), ("2016-05-11T06:09:20", ["maple"]), ("2016-05-11T06:09:26", [])],
)
def test_assignees_are_those_of_that_moment(export: Export, moment: str, logins: list[str]) -> None:
    row = then(export, 384, moment)

    assert [user["login"] for user in row["assignees"]] == logins
    assert (row["assignee"] or {}).get("login") == (logins[0] if logins else None)


@pytest.mark.parametrize(
    ("moment", "names"), [("2023-07-24T13:13:00", []), ("2023-07-24T13:18:00", ["tweak/refactor"])]
)
def test_label_that_was_renamed_since_is_one_label(export: Export, moment: str, names: list[str]) -> None:
    assert [label["name"] for label in then(export, 1382, moment)["labels"]] == names


def test_comments_are_counted_and_stamp_the_issue(export: Export) -> None:
    row = then(export, 1226, "2023-03-08T18:50:00")

    assert (row["comments"], row["updated_at"]) == (1, "2023-03-08T18:42:10Z")


def test_comment_edited_later_was_not_edited_yet(export: Export) -> None:
    comments = {row["created_at"]: row for row in rebuild(export, at("2026-05-09T09:26:40")).comments}

    assert comments["2026-05-09T09:26:27Z"]["updated_at"] == "2026-05-09T09:26:27Z"


def quarters(export: Export) -> Iterator[tuple[str, Export]]:
    day = at("2015-01-01")
    while day < END:
        yield day.strftime("%Y-%m-%dT%H:%M:%SZ"), rebuild(export, day)
        day += timedelta(days=91)


def check_every_quarter(export: Export) -> int:
    """Check on many days that nothing is later than the day and that no row contradicts itself; return the rows."""
    rows = 0
    for day, past in quarters(export):
        for row in past.issues:
            merged_at = (row.get("pull_request") or {}).get("merged_at")
            assert max(row["created_at"], row["updated_at"], row["closed_at"] or "", merged_at or "") <= day
            assert (row["state"] == "closed") is (row["closed_at"] is not None)
            assert merged_at is None or row["state"] == "closed"
        for row in (*past.comments, *past.milestones):
            assert max(row["created_at"], row["updated_at"], row.get("closed_at") or "") <= day
        numbers = Counter((row["milestone"] or {}).get("number") for row in past.issues)
        for row in past.milestones:
            assert row["open_issues"] + row["closed_issues"] == numbers[row["number"]]
        rows += len(past.issues)
    return rows


def test_no_day_knows_what_came_later(export: Export) -> None:
    assert check_every_quarter(export) > 500


def test_folder_without_an_export_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not an export of a GitHub repository: .*issues\.jsonl"):
        read_export(tmp_path)


def test_empty_export_is_named(tmp_path: Path) -> None:
    for name in ("issues.jsonl", "comments.jsonl", "events.jsonl"):
        (tmp_path / name).write_text("")
    for name in ("milestones.json", "labels.json"):
        (tmp_path / name).write_text("[]")

    with pytest.raises(ConfigError, match="the export has no issues"):
        read_export(tmp_path)


def pull(fake: Fake, name: str, clock: Clock) -> dict[str, list[Any]]:
    config = GitHubConfig(base_url=fake.url, token=SecretStr(fake.token), repositories=(name,))
    github = GitHub(config, context=context_for(clock))
    found = {
        stream: [r for page in github.read(stream, None, partition=name) for r in page.records]
        for stream in ("repositories", "users", "labels", "milestones", "issues", "comments")
    }
    github.close()
    return found


def test_loaded_project_is_served_like_the_vendor() -> None:
    with Fake.load(EXTRACT) as fake:
        records = pull(fake, "acme/curve", Clock())
        refused = fake.refused

    assert {stream: len(found) for stream, found in records.items() if stream != "users"} == {
        "repositories": 1,
        "labels": 16,
        "milestones": 9,
        "issues": 38,
        "comments": 41,
    }
    assert refused == []


def test_loaded_project_can_be_served_as_of_a_day() -> None:
    with Fake.load(EXTRACT, as_of=at("2023-04-12")) as fake:
        records = pull(fake, "acme/curve", Clock())
        today = fake.now()

    assert [record.remote_id for record in records["milestones"]] == [
        "acme/curve/milestones/4",
        "acme/curve/milestones/1",
    ]
    assert max(record.updated_at for record in records["issues"]) <= today == at("2023-04-12")


def test_running_fake_moves_on_to_another_day(export: Export) -> None:
    with Fake.load(EXTRACT, as_of=at("2023-04-12")) as fake:
        before = len(pull(fake, "acme/curve", Clock())["issues"])
        fake.serve(rebuild(export, at("2023-07-25")))
        after = len(pull(fake, "acme/curve", Clock())["issues"])

    assert (before, after) == (14, 16)


def replayed_states(export: Export, day: str = "9999") -> dict[int, str]:
    """Replay closings and reopenings from the start, independently of the rebuild."""
    states = {row["number"]: "open" for row in export.issues if row["created_at"] <= day}
    for event in export.events:
        if event["created_at"] <= day and event["event"] in ("closed", "merged", "reopened"):
            states[event["issue_number"]] = "open" if event["event"] == "reopened" else "closed"
    return states


@pytest.fixture(scope="module")
def whole() -> Export:
    return read_export(Path(os.environ[LAB_DATA]))


@pytest.mark.needs(LAB_DATA)
class TestWholeProject:
    """The real project that the extract was taken from, where the environment names its folder."""

    def test_at_the_end_everything_is_as_exported(self, whole: Export) -> None:
        rebuilt = rebuild(whole, END)

        assert len(whole.issues) == 1825
        assert [without_copies(row) for row in rebuilt.issues] == [without_copies(row) for row in whole.issues]
        assert rebuilt.milestones == whole.milestones

    def test_plain_replay_differs_only_where_an_issue_was_closed_without_an_event(self, whole: Export) -> None:
        states = replayed_states(whole)

        different = [row for row in whole.issues if row["state"] != states[row["number"]]]

        turned = {event["issue_number"] for event in whole.events if event["event"] in ("closed", "reopened")}
        assert len(different) == 11
        assert [row["number"] for row in different if row["number"] in turned] == []

    def test_every_quarter_agrees_with_a_plain_replay(self, whole: Export) -> None:
        without_event = {row["number"] for row in whole.issues if row["state"] != replayed_states(whole)[row["number"]]}

        for day, past in quarters(whole):
            expected = replayed_states(whole, day)
            wrong = {row["number"] for row in past.issues if row["state"] != expected[row["number"]]}
            assert wrong <= without_event

    def test_no_day_knows_what_came_later(self, whole: Export) -> None:
        assert check_every_quarter(whole) > 40_000

    def test_milestones_of_all_names_are_known(self, whole: Export) -> None:
        named = [event for event in whole.events if event["event"] == "milestoned"]

        past = rebuild(whole, at("2023-03-20"))

        assert len(named) == 114
        assert sum(row["milestone"] is not None for row in past.issues) == 47

    def test_every_page_is_served(self, whole: Export) -> None:
        with Fake.load(Path(os.environ[LAB_DATA])) as fake:
            records = pull(fake, "bitcoin-core/secp256k1", Clock())
            pages = fake.count("/issues$"), fake.count("/comments$")

        assert (len(records["issues"]), len(records["comments"]), len(records["milestones"])) == (1825, 9372, 11)
        assert pages <= (20, 96)
