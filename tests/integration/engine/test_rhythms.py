"""Several rhythms, changed rhythms, outages and restored backups: every reader gets one current digest."""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.engine import compose
from syncd.engine.compose import Verdict
from syncd.engine.push import push
from syncd.sdk.fake import Fault
from syncd.settings import PlanRow
from syncd.store import communication
from tests.integration.engine.world import ACME, World

HEAD, _, REST = ACME.partition("plan:\n")
SHOW = REST[REST.index("show:") :]
TWO = f"""{HEAD}plan:
  - {{{{audience: pm, channel: mail, when: friday 16:00}}}}
  - {{{{audience: pm, channel: mail, when: monthly 1 09:00}}}}
  - {{{{audience: sales, channel: crm, content: brief, when: with digest}}}}
{SHOW}"""


def rows_at(world: World, schedule: str) -> list[tuple[str, str]]:
    """Return (audience, channel) of the rows that go along with a rhythm."""
    with world.open() as space:
        account = space.config.account("acme")
        (turn,) = compose.turns(account, slot=world.clock.now(), schedule=schedule)
    return [_named(row) for row in turn.rows]


def _named(row: PlanRow) -> tuple[str, str]:
    return row.audience, row.channel


def compose_at(world: World, slot: datetime, schedule: str = "friday 16:00") -> None:
    """Compose a due slot, as the service does, after a read."""
    world.run(only="pull")
    with world.open() as space:
        for turn in compose.turns(space.config.account("acme"), slot=slot, schedule=schedule):
            compose.commit(space, compose.draft(space, turn, now=space.now()))


def test_a_run_sends_a_reader_of_two_rhythms_one_message(local: World) -> None:
    local.texts["acme"] = TWO

    report = local.run()
    again = local.run()

    assert local.effects == (1, 1)
    assert [drafted.verdict for drafted in report.drafts] == [Verdict.QUEUED]
    assert [drafted.verdict for drafted in again.drafts] == [Verdict.NOTHING_NEW]


def test_a_row_with_digest_goes_along_with_the_first_rhythm_of_digests(local: World) -> None:
    local.texts["acme"] = TWO

    weekly, monthly = rows_at(local, "friday 16:00"), rows_at(local, "monthly 1 09:00")

    assert weekly == [("pm", "mail"), ("sales", "crm")]
    assert monthly == [("pm", "mail")]


def test_another_time_of_a_row_keeps_what_was_received_last(local: World) -> None:
    local.run()
    local.texts["acme"] = ACME.replace("friday 16:00", "thursday 09:00")

    unchanged = local.run()
    local.pingcode.set_state(local.ids["search"], "已完成")
    local.pass_time(timedelta(days=1))
    changed = local.run()

    assert unchanged.drafts[0].verdict is Verdict.NOTHING_NEW
    since = changed.drafts[0].record.since_last
    assert since is not None
    assert (since.number, since.done) == (1, 1)


def test_another_rhythm_of_the_plan_is_not_what_was_received_last(local: World) -> None:
    local.run()
    local.texts["acme"] = TWO
    local.pass_time(timedelta(days=1))

    compose_at(local, local.clock.now(), "monthly 1 09:00")

    with local.store.read() as connection:
        made = communication.latest(connection, "acme", "Portal", "monthly 1 09:00")
    assert made is not None
    assert made.record.since_last is None


def test_after_an_outage_of_the_mail_only_the_newest_digest_goes_out(local: World) -> None:
    local.mail.misbehave(Fault.SERVER_ERROR, times=99)
    for day in (1, 2, 3):
        local.task(f"Task of day {day}")
        local.pass_time(timedelta(days=1))
        compose_at(local, local.clock.now())
        local.run(only="push")
    local.mail.behave()
    local.pass_time(timedelta(hours=5))

    with local.open() as space:
        push(space)

    mails = local.rows("outbox", connection="mail")
    assert [(row["state"], row["detail"]) for row in mails[:2]] == [("cancelled", "a newer digest replaced it")] * 2
    assert mails[2]["state"] == "sent"
    assert len(local.mail.messages) == 1


def test_a_restored_database_does_not_take_new_writes_for_old_ones(local: World) -> None:
    keys = []
    for title in ("Before the backup", "After it was restored"):
        local.task(title)
        local.run(only="pull")
        with local.open(read_only=True) as space:
            drafts = [
                compose.draft(space, turn, now=space.now()) for turn in compose.turns(space.config.account("acme"))
            ]
        keys.append({intent.idempotency_key for drafted in drafts for intent in drafted.intents})
        local.pass_time(timedelta(hours=1))

    assert [len(found) for found in keys] == [2, 2]
    assert keys[0].isdisjoint(keys[1])


def test_two_rhythms_that_are_due_at_one_moment_tell_a_reader_once(local: World) -> None:
    local.texts["acme"] = TWO
    slot = local.clock.now()

    compose_at(local, slot)
    compose_at(local, slot, "monthly 1 09:00")

    mails = [row for row in local.rows("outbox") if row["connection"] == "mail"]
    assert [row["recipient"] for row in mails] == ["li@acme.example"]
