"""The one write: refused unless it is allowed, made once, and never doubled by a repetition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.worktile import Worktile
from connectors.worktile.fake import Fake
from syncd.sdk import Command, Outcome, OutcomeUnknownError, RejectedError
from syncd.sdk.fake import Fault

Connect = Callable[..., Worktile]


def command(**payload: Any) -> Command:
    return Command("create_project", "key-1", {"template_name": "任务管理", "name": "Site refit", **payload})


def test_nothing_is_sent_unless_writing_is_allowed(fake: Fake, connect: Connect) -> None:
    with pytest.raises(RejectedError, match=r"only reads; .* connections\.contract_case\.config\.allow_writes to true"):
        connect().write(command())

    assert fake.calls == []


def test_project_is_made_as_documented(fake: Fake, connect: Connect) -> None:
    admin, other = fake.add_member("王丽"), fake.add_member("李娜")
    extra = {"assignee": admin, "start": 1767225600, "properties": [{"name": "region", "value": "CN-N"}]}

    receipt = connect(allow_writes=True).write(command(visibility=0, members=[admin, other], ext=extra))

    made = fake.tenant.projects[receipt.remote_id]
    assert receipt.outcome is Outcome.CREATED
    assert (made["name"], made["visibility"], made["created_by"]) == ("Site refit", 0, admin)
    assert fake.refused == []


def test_project_whose_id_is_not_told_is_looked_up_by_its_name(fake: Fake, connect: Connect) -> None:
    fake.shows_made = False
    fake.add_project("Other")

    receipt = connect(allow_writes=True).write(command())

    assert fake.tenant.projects[receipt.remote_id]["name"] == "Site refit"


def test_project_that_is_made_but_not_found_is_unknown_and_not_lost(fake: Fake, connect: Connect) -> None:
    fake.shows_made = False
    fake.misbehave(Fault.SERVER_ERROR, path="get-projects", after=1, times=99)

    with pytest.raises(OutcomeUnknownError, match="made, but 'Site refit' cannot be looked up"):
        connect(allow_writes=True).write(command())

    assert len(fake.tenant.projects) == 1


def test_command_that_is_repeated_after_a_lost_answer_makes_no_second_project(fake: Fake, connect: Connect) -> None:
    connector = connect(allow_writes=True)
    fake.misbehave(Fault.LOST_ANSWER, path="/mission/project$")
    with pytest.raises(OutcomeUnknownError):
        connector.write(command())

    with pytest.raises(RejectedError, match="there is a project called 'Site refit' already"):
        connector.write(command())

    assert len(fake.tenant.projects) == 1


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"deadline": 1}, "deadline is not a documented field; allowed: ext, members"),
        ({"ext": {"end": 1}}, r"ext\.end is not a documented field; allowed: assignee, due"),
        ({"ext": []}, "ext is not an object"),
        ({"name": " "}, "the payload lacks name"),
        ({"template_name": None}, "the payload lacks template_name"),
        ({"visibility": 2}, "visibility is 2; it must be 0 or 1"),
        ({"members": "3c1f"}, "members is not a list of uids"),
        ({"members": [1]}, "members is not a list of uids"),
    ],
)
def test_payload_that_is_not_documented_is_refused_before_it_is_sent(
    fake: Fake, connect: Connect, payload: dict[str, Any], said: str
) -> None:
    with pytest.raises(RejectedError, match=said):
        connect(allow_writes=True).write(command(**payload))

    assert fake.calls == []


def test_refusal_inside_a_200_parks_the_command(fake: Fake, connect: Connect) -> None:
    with pytest.raises(RejectedError, match="200 code 1001: template_name"):
        connect(allow_writes=True).write(command(template_name="no such template"))

    assert fake.tenant.projects == {}


def test_operation_that_is_not_documented_is_unknown(connect: Connect) -> None:
    with pytest.raises(KeyError, match="create_comment"):
        connect(allow_writes=True).write(Command("create_comment", "key-1", {"content": "hello"}, target_id="SITE-1"))
