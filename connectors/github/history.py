"""A project's past, rebuilt from an export of its issues, comments and events, for the fake to serve.

What the export cannot tell stays as it is at the end: texts that were edited, due dates that were moved, when a
milestone or a label was renamed, and labels that were deleted altogether.
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from connectors.github.rest import Row
from syncd.sdk import ConfigError

_TURNS: Final = frozenset({"closed", "reopened", "merged"})


@dataclass(frozen=True, slots=True)
class Export:
    """A repository as GitHub's API gives it; events name their issue under `issue_number`, oldest first."""

    issues: Sequence[Row]
    comments: Sequence[Row]
    events: Sequence[Row]
    milestones: Sequence[Row]
    labels: Sequence[Row]


def read_export(directory: Path) -> Export:
    """Read `issues`, `comments` and `events` (.jsonl or .jsonl.gz), `milestones` and `labels` (.json) of a folder.

    Raises ConfigError when one of them is not there or not JSON.
    """
    try:
        lines = [_lines(directory, name) for name in ("issues", "comments", "events")]
        lists = [msgspec.json.decode((directory / f"{name}.json").read_bytes()) for name in ("milestones", "labels")]
    except (OSError, EOFError, msgspec.DecodeError) as err:
        raise ConfigError(f"{directory}: not an export of a GitHub repository: {err}") from err
    if not lines[0]:
        raise ConfigError(f"{directory}: the export has no issues")
    return Export(*lines, *lists)


def rebuild(export: Export, as_of: datetime) -> Export:
    """Return the repository as it was at `as_of` (aware): nothing in it is later than that."""
    at = as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    past = _Past(export, at)
    issues = [past.issue(row) for row in export.issues if row["created_at"] <= at]
    milestones = {number: _recounted(row, issues) for number, row in past.milestones.items()}
    for row in issues:
        if row["milestone"]:
            row["milestone"] = milestones[row["milestone"]["number"]]
    return Export(
        issues=issues,
        comments=past.comments,
        events=[event for event in export.events if event["created_at"] <= at],
        milestones=list(milestones.values()),
        labels=export.labels,
    )


class _Past:
    """What holds for the whole repository at one moment, and from that what one issue was like."""

    def __init__(self, export: Export, at: str) -> None:
        self._at = at
        self._events: dict[int, list[Row]] = defaultdict(list)
        for event in export.events:
            self._events[event["issue_number"]].append(event)
        self._labels = {row["name"]: row for row in export.labels}
        self._label_names = _label_names(export, self._events)
        self._milestone_numbers = _milestone_numbers(export, self._events)
        self.milestones = {
            row["number"]: self._milestone(row, export.events) for row in export.milestones if row["created_at"] <= at
        }
        self.comments = [_comment(row, at) for row in export.comments if row["created_at"] <= at]
        self._comments: dict[str, list[Row]] = defaultdict(list)
        for comment in self.comments:
            self._comments[comment["issue_url"]].append(comment)

    def issue(self, row: Row) -> Row:
        events, comments = self._events[row["number"]], self._comments[row["url"]]
        then = {
            **row,
            **self._state(row, [event for event in events if event["event"] in _TURNS]),
            "title": self._title(row, events),
            "labels": self._labels_of(row, events),
            "assignees": self._assignees(row, events),
            "milestone": self._milestone_of(row, events),
            "comments": len(comments),
            "updated_at": self._updated_at(row, [*events, *comments]),
        }
        if then["assignees"] != row["assignees"]:
            then["assignee"] = then["assignees"][0] if then["assignees"] else None
        return then

    def _state(self, row: Row, turns: list[Row]) -> Row:
        """The last turn counts; an issue without later turns is as at the end (some closings have no event)."""
        past = [turn for turn in turns if turn["created_at"] <= self._at]
        is_pull_request = "pull_request" in row
        if len(past) == len(turns) and (row["closed_at"] or "") <= self._at:
            return {}
        if past and past[-1]["event"] != "reopened":
            reason = None if is_pull_request else "completed"
            return {"state": "closed", "state_reason": reason, "closed_at": past[-1]["created_at"]} | self._merge(row)
        reason = "reopened" if past and not is_pull_request else None
        return {"state": "open", "state_reason": reason, "closed_at": None} | _without_merge(row)

    def _merge(self, row: Row) -> Row:
        merged_at = (row.get("pull_request") or {}).get("merged_at")
        return {} if merged_at and merged_at <= self._at else _without_merge(row)

    def _title(self, row: Row, events: list[Row]) -> str:
        later = (event["rename"]["from"] for event in self._later(events, "renamed"))
        return str(next(later, row["title"]))

    def _labels_of(self, row: Row, events: list[Row]) -> list[Row]:
        labels = {label["name"]: label for label in row["labels"]}
        for event in reversed(self._later(events, "labeled", "unlabeled")):
            name = self._label_names.get(event["label"]["name"], event["label"]["name"])
            if event["event"] == "labeled":
                labels.pop(name, None)
            else:
                labels[name] = self._labels.get(name, event["label"])
        return list(labels.values())

    def _assignees(self, row: Row, events: list[Row]) -> list[Row]:
        people = {user["login"]: user for user in row["assignees"]}
        for event in reversed(self._later(events, "assigned", "unassigned")):
            if event["event"] == "assigned":
                people.pop(event["assignee"]["login"], None)
            else:
                people[event["assignee"]["login"]] = event["assignee"]
        return list(people.values())

    def _milestone_of(self, row: Row, events: list[Row]) -> Row | None:
        moves = [event for event in events if event["event"] in ("milestoned", "demilestoned")]
        past = [move for move in moves if move["created_at"] <= self._at]
        if len(past) == len(moves):
            number = (row["milestone"] or {}).get("number")
        elif past:
            number = self._number_in(past[-1]) if past[-1]["event"] == "milestoned" else None
        else:
            number = self._number_in(moves[0]) if moves[0]["event"] == "demilestoned" else None
        return self.milestones.get(number) if number else None

    def _milestone(self, row: Row, events: Iterable[Row]) -> Row:
        moves = [event for event in events if "milestone" in event and self._number_in(event) == row["number"]]
        past = [move for move in moves if move["created_at"] <= self._at]
        title = (past[-1:] or moves[:1] or [{"milestone": row}])[0]["milestone"]["title"]
        closed_at = self._not_later(row["closed_at"])
        return {
            **row,
            "title": row["title"] if len(past) == len(moves) else title,
            "state": "closed" if closed_at else "open",
            "closed_at": closed_at,
            "updated_at": self._updated_at(row, past),
        }

    def _updated_at(self, row: Row, traces: list[Row]) -> str:
        if row["updated_at"] <= self._at:
            return str(row["updated_at"])
        stamps = [row["created_at"], row.get("closed_at"), *(trace["created_at"] for trace in traces)]
        return max(str(stamp) for stamp in stamps if stamp and stamp <= self._at)

    def _number_in(self, event: Row) -> int | None:
        return self._milestone_numbers.get(event["milestone"]["title"])

    def _later(self, events: list[Row], *kinds: str) -> list[Row]:
        return [event for event in events if event["event"] in kinds and event["created_at"] > self._at]

    def _not_later(self, stamp: str | None) -> str | None:
        return stamp if stamp and stamp <= self._at else None


def _without_merge(row: Row) -> Row:
    return {"pull_request": {**row["pull_request"], "merged_at": None}} if "pull_request" in row else {}


def _comment(row: Row, at: str) -> Row:
    return row if row["updated_at"] <= at else {**row, "updated_at": row["created_at"]}


def _recounted(milestone: Row, issues: Iterable[Row]) -> Row:
    states = Counter(row["state"] for row in issues if (row["milestone"] or {}).get("number") == milestone["number"])
    return {**milestone, "open_issues": states["open"], "closed_issues": states["closed"]}


def _label_names(export: Export, events: Mapping[int, list[Row]]) -> dict[str, str]:
    """Return old name → name now of labels that were renamed, told by issues where just one name differs."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in export.issues:
        named = _replayed_labels(events[row["number"]])
        has = {label["name"] for label in row["labels"]}
        if len(gone := named - has) == 1 and len(new := has - named) == 1:
            votes[gone.pop()][new.pop()] += 1
    return {old: count.most_common(1)[0][0] for old, count in votes.items()}


def _replayed_labels(events: Iterable[Row]) -> set[str]:
    names: set[str] = set()
    for event in events:
        if event["event"] == "labeled":
            names.add(event["label"]["name"])
        elif event["event"] == "unlabeled":
            names.discard(event["label"]["name"])
    return names


def _milestone_numbers(export: Export, events: Mapping[int, list[Row]]) -> dict[str, int]:
    """Return title → number; a former title is told by the issues that were put under it and are there now."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for row in export.issues:
        last = next((event for event in reversed(events[row["number"]]) if "milestone" in event), None)
        if row["milestone"] and last and last["event"] == "milestoned":
            votes[last["milestone"]["title"]][row["milestone"]["number"]] += 1
    former = {title: count.most_common(1)[0][0] for title, count in votes.items()}
    return former | {row["title"]: row["number"] for row in export.milestones}


def _lines(directory: Path, name: str) -> list[Any]:
    plain = directory / f"{name}.jsonl"
    text = plain.read_bytes() if plain.is_file() else gzip.decompress((directory / f"{name}.jsonl.gz").read_bytes())
    return [msgspec.json.decode(line) for line in text.splitlines() if line]
