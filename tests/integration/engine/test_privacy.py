"""Private by default: what a client reads holds nothing internal and nothing of another client."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.integration.engine.world import ACME, BETA, World

INTERNAL = "CANARY-internal-refactoring"
THEIRS = "CANARY-beta-secret-launch"
HIDDEN = ACME[: ACME.index("show:")].replace("content: brief, ", "")


def sent(world: World) -> dict[str, str]:
    """Return everything that each reader has got, decoded."""
    texts: dict[str, str] = {}
    for mail in world.mail.messages:
        message = mail.message
        parts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
        texts[mail.recipients[0]] = "\n".join([str(message), *parts])
    texts["crm"] = "\n".join(f"{note['Note_Title']}\n{note['Note_Content']}" for note in world.zoho.records("Notes"))
    return texts


@pytest.mark.parametrize("state", ["新建", "进行中", "待客户确认", "阻塞", "已完成"])
def test_no_task_is_named_to_a_client_unless_the_file_shows_it(local: World, state: str) -> None:
    local.texts["acme"] = HIDDEN
    local.task(INTERNAL, state=state, tags=["待客户"])

    local.pass_time(timedelta(minutes=1))
    local.run()

    texts = sent(local)
    assert INTERNAL not in texts["li@acme.example"]
    assert INTERNAL in texts["crm"]


def test_a_shown_type_lets_only_that_type_out(local: World) -> None:
    local.texts["acme"] = ACME.replace('types: ["*"]', "types: [story]")
    local.task(INTERNAL, type="bug", state="进行中")
    local.task("A story for all", type="story", state="进行中")

    local.pass_time(timedelta(minutes=1))
    local.run()

    text = sent(local)["li@acme.example"]
    assert INTERNAL not in text
    assert "A story for all" in text


def test_two_clients_on_one_connection_never_read_of_each_other(world: World) -> None:
    world.texts = {"acme": ACME, "beta": BETA + 'show:\n  tasks: {{types: ["*"], fields: [title, status, due_date]}}\n'}
    world.pingcode.add_work_item(world.ids["shop"], THEIRS, state="进行中")
    world.task("CANARY-acme-only", state="进行中")
    world.pingcode.add_milestone(world.ids["shop"], "CANARY-beta-milestone", date(2026, 5, 1))

    world.pass_time(timedelta(minutes=1))
    report = world.run()

    texts = sent(world)
    assert report.state == "ok"
    assert THEIRS in texts["wu@beta.example"]
    assert "CANARY-acme-only" in texts["li@acme.example"]
    assert "CANARY-beta" not in texts["li@acme.example"] + texts["crm"]
    assert "CANARY-acme" not in texts["wu@beta.example"]
    assert len(world.pingcode.calls) < 30


def test_a_digest_that_names_another_client_is_blocked(local: World) -> None:
    local.texts = {"acme": ACME, "beta": BETA.replace("account: Beta", "account: Betacorp")}
    local.task("Reuse what we made for Betacorp", state="进行中")

    local.pass_time(timedelta(minutes=1))
    report = local.run()

    verdicts = {drafted.turn.account.id: drafted.verdict.value for drafted in report.drafts}
    assert verdicts == {"acme": "blocked", "beta": "queued"}
    assert any("names another client: 'Betacorp'" in problem for problem in report.drafts[0].problems)
    assert "li@acme.example" not in sent(local)
