"""Sending: whatever dies, is refused or stays silent, nothing is lost, no known effect doubled, every doubt shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.engine import push as push_module
from syncd.engine.push import push
from syncd.engine.workspace import Workspace
from syncd.errors import ReadOnlyError
from syncd.sdk.connector import Delivery
from syncd.sdk.fake import Fault
from syncd.store import leases, outbox
from syncd.store.outbox import Intent, State
from tests.integration.engine.world import World

POINTS = ("before claim", "after claim", "after write", "after settle")
LATER = timedelta(minutes=16)


class KilledError(BaseException):
    """The process is no more."""


def queue(world: World, delivery: Delivery) -> None:
    """Put one command of a class into an otherwise empty outbox, on a record of its own."""
    world.run(only="pull")
    world.run(only="compose")
    operations = {Delivery.BLIND: "send_mail", Delivery.FINDABLE: "create_note", Delivery.KEYED: "upsert"}
    row = world.rows("outbox")[0]
    with world.store.begin() as connection:
        if delivery is Delivery.KEYED:
            outbox.put(connection, contact(row["record"]), held=False, at=world.clock.now())
        connection.exec_driver_sql(f"DELETE FROM outbox WHERE operation <> '{operations[delivery]}'")


def contact(record: str) -> Intent:
    fields = {"Last_Name": "Chen", "Email": "chen@acme.example"}
    payload = {"module": "Contacts", "record": fields, "duplicate_check_fields": ["Email"]}
    return Intent(
        "key-of-chen", "acme", "Portal", record, "pm", "", "crm", "upsert", Delivery.KEYED, None, payload, "h"
    )


def effects(world: World, delivery: Delivery) -> int:
    match delivery:
        case Delivery.BLIND:
            return len(world.mail.messages)
        case Delivery.FINDABLE:
            return len(world.zoho.records("Notes"))
        case _:
            return sum(row["Email"] == "chen@acme.example" for row in world.zoho.records("Contacts"))


def kill_at(point: str, space: Workspace, connection: str, patch: pytest.MonkeyPatch) -> None:
    """Let the process die at one point of the next send."""

    def dies(*_: Any, **__: Any) -> Any:
        raise KilledError

    match point:
        case "before claim":
            patch.setattr(push_module.outbox, "claim", dies)
        case "after claim":
            patch.setattr(space.connector(connection), "write", dies)
        case "after write":
            patch.setattr(push_module.outbox, "settle", dies)
        case "after settle":
            patch.setattr(push_module, "_sent", _then(push_module._sent, dies))


def _then(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    def both(*args: Any) -> Any:
        first(*args)
        return second()

    return both


def die(world: World, delivery: Delivery, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = "mail" if delivery is Delivery.BLIND else "crm"
    with world.open() as space, monkeypatch.context() as patch:
        kill_at(point, space, connection, patch)
        with pytest.raises(KilledError):
            push(space)


def state(world: World) -> str:
    return str(world.rows("outbox")[0]["state"])


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("delivery", [Delivery.KEYED, Delivery.FINDABLE])
def test_a_killed_send_is_repeated_or_found_and_takes_effect_once(
    local: World, delivery: Delivery, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(local, delivery)
    die(local, delivery, point, monkeypatch)

    local.pass_time(LATER)
    local.run(only="push")
    local.run(only="push")

    assert (effects(local, delivery), state(local)) == (1, "sent")


@pytest.mark.parametrize(
    ("point", "sent", "ends"),
    [
        ("before claim", 1, "sent"),
        ("after claim", 0, "unknown"),
        ("after write", 1, "unknown"),
        ("after settle", 1, "sent"),
    ],
)
def test_a_killed_blind_send_is_never_repeated_and_every_doubt_is_shown(
    local: World, point: str, sent: int, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(local, Delivery.BLIND)
    die(local, Delivery.BLIND, point, monkeypatch)

    local.pass_time(LATER)
    report = local.run(only="push")
    local.pass_time(LATER)
    local.run(only="push")

    assert (effects(local, Delivery.BLIND), state(local)) == (sent, ends)
    assert report.needs_attention is (ends == "unknown")
    assert [pushed.state.value for pushed in report.pushed] == ([ends] if point != "after settle" else [])


def name_a_dead_holder(world: World) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    machine = leases.new_holder().split(":")[0]
    world.set_rows("outbox", claimed_by=f"{machine}:{gone.pid}:00000000")


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_claim_of_a_dead_process_is_taken_back_at_once(
    world: World, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(world, delivery)
    die(world, delivery, "after write", monkeypatch)
    name_a_dead_holder(world)

    first = world.run(only="push")
    world.pass_time(timedelta(minutes=1))
    world.run(only="push")

    ends = {Delivery.KEYED: "sent", Delivery.FINDABLE: "pending", Delivery.BLIND: "unknown"}
    assert [pushed.state.value for pushed in first.pushed] == [ends[delivery]]
    assert state(world) == ("unknown" if delivery is Delivery.BLIND else "sent")
    assert effects(world, delivery) == 1


@pytest.mark.parametrize("delivery", [Delivery.KEYED, Delivery.FINDABLE])
def test_a_lost_answer_is_cleared_up_by_the_next_run(local: World, delivery: Delivery) -> None:
    queue(local, delivery)
    local.zoho.misbehave(Fault.LOST_ANSWER, method="POST", path="/crm/", times=1)

    local.run(only="push")
    local.pass_time(timedelta(minutes=2))
    local.run(only="push")

    assert (effects(local, delivery), state(local)) == (1, "sent")


def test_a_lost_answer_of_a_blind_send_is_unknown_and_never_repeated_by_itself(world: World) -> None:
    queue(world, Delivery.BLIND)
    world.mail.misbehave(Fault.LOST_ANSWER)

    report = world.run(only="push")
    world.pass_time(timedelta(days=2))
    for _ in range(3):
        world.run(only="push")

    assert [pushed.state for pushed in report.pushed] == [State.UNKNOWN]
    assert report.needs_attention
    assert (len(world.mail.messages), state(world)) == (1, "unknown")


def test_an_unknown_goes_out_again_when_a_person_says_so(local: World) -> None:
    queue(local, Delivery.BLIND)
    local.mail.misbehave(Fault.LOST_ANSWER)
    local.run(only="push")
    with local.store.begin() as connection:
        outbox.decide(connection, local.rows("outbox")[0]["id"], retry=True, why="not there", at=local.clock.now())

    report = local.run(only="push")

    assert [pushed.state for pushed in report.pushed] == [State.SENT]
    first, second = (sent.message["Message-ID"] for sent in local.mail.messages)
    assert first == second


def test_a_429_keeps_the_command_until_the_vendor_lets_it_in(world: World) -> None:
    queue(world, Delivery.FINDABLE)
    world.zoho.misbehave(Fault.RATE_LIMITED, method="POST", path="/Notes", retry_after=600.0)

    early = world.run(only="push")
    too_soon = world.run(only="push")
    world.pass_time(timedelta(minutes=11))
    report = world.run(only="push")

    assert [pushed.state for pushed in early.pushed] == [State.PENDING]
    assert too_soon.pushed == []
    assert [pushed.state for pushed in report.pushed] == [State.SENT]
    assert effects(world, Delivery.FINDABLE) == 1


def test_a_refused_payload_is_parked_with_the_vendors_reason(local: World) -> None:
    queue(local, Delivery.BLIND)
    local.mail.unknown_recipients.add("li@acme.example")

    report = local.run(only="push")
    local.pass_time(timedelta(days=1))
    again = local.run(only="push")

    assert [pushed.state for pushed in report.pushed] == [State.PARKED]
    assert "550" in local.rows("outbox")[0]["detail"]
    assert again.pushed == []


def test_refused_credentials_keep_the_commands_and_close_the_connection_for_this_run(local: World) -> None:
    local.texts["acme"] = local.texts["acme"].replace("[li@acme.example]", "[li@acme.example, chen@acme.example]")
    queue(local, Delivery.BLIND)
    local.mail.answer("MAIL", "530 5.7.0 Authentication required", times=1)

    refused = local.run(only="push")
    mended = local.run(only="push")

    assert [pushed.state for pushed in refused.pushed] == [State.PENDING]
    assert [pushed.state for pushed in mended.pushed] == [State.SENT, State.SENT]


def test_one_connections_trouble_does_not_hold_the_other_ones_commands(local: World) -> None:
    local.mail.misbehave(Fault.RESET)

    report = local.run()

    assert {(p.row.connection, p.state) for p in report.pushed} == {("mail", State.PENDING), ("crm", State.SENT)}


def test_a_command_that_breaks_the_connector_does_not_stop_the_queue(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.run(only="pull")
    local.run(only="compose")

    def breaks(command: Any) -> Any:
        raise KeyError("payload")

    with local.open() as space:
        monkeypatch.setattr(space.connector("mail"), "write", breaks)
        pushed = push(space)

    assert {(one.row.connection, one.state) for one in pushed} == {("mail", State.UNKNOWN), ("crm", State.SENT)}
    assert "the connector broke (KeyError: 'payload')" in local.rows("outbox", connection="mail")[0]["detail"]


def test_plan_mode_sends_nothing_whatever_is_due(local: World) -> None:
    queue(local, Delivery.BLIND)

    with local.open(read_only=True) as space, pytest.raises(ReadOnlyError):
        push(space)

    assert local.effects == (0, 0)
