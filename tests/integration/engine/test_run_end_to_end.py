"""One run from the vendors to the mailbox and the CRM, and the next one that finds nothing new."""

from __future__ import annotations

from datetime import timedelta

from syncd.engine.compose import Verdict
from syncd.store.outbox import State
from tests.integration.engine.world import World


def test_a_run_reads_reconciles_composes_and_sends(world: World) -> None:
    report = world.run()

    assert report.state == "ok"
    assert [drafted.verdict for drafted in report.drafts] == [Verdict.QUEUED]
    assert {(one.row.connection, one.row.recipient, one.state) for one in report.pushed} == {
        ("mail", "li@acme.example", State.SENT),
        ("crm", "", State.SENT),
    }
    assert world.mail.messages[0].recipients == ("li@acme.example",)
    assert [note["Parent_Id"]["id"] for note in world.zoho.records("Notes")] == [world.ids["deal"]]
    progress = report.drafts[0].record.progress
    assert (progress.done_count, progress.total_count) == (1, 3)


def test_a_second_run_with_nothing_new_sends_nothing_and_writes_nothing(world: World) -> None:
    world.run()
    world.pass_time(timedelta(hours=1))
    world.run()  # takes in our own note
    world.pass_time(timedelta(hours=1))
    before, effects = world.tables("runs", "cursors"), world.effects

    report = world.run()

    assert world.effects == effects == (1, 1)
    assert [drafted.verdict for drafted in report.drafts] == [Verdict.NOTHING_NEW]
    assert (report.balance.written, report.balance.parked) == (0, 0)
    assert world.tables("runs", "cursors") == before


def test_what_was_read_is_accounted_for_in_the_database(world: World) -> None:
    report = world.run()

    kept = world.rows("runs")[0]
    balance = report.balance
    assert balance.is_even
    assert balance.read > 10
    assert (kept["read"], kept["written"], kept["unchanged"], kept["skipped"], kept["parked"]) == (
        balance.read,
        balance.written,
        balance.unchanged,
        balance.skipped,
        balance.parked,
    )
