"""The service on a clock that is moved by hand: what is due is done, once, whatever happens to the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.daemon import jobs, scheduler
from syncd.daemon.scheduler import State
from syncd.engine import compose
from syncd.errors import ConfigError, StoreError
from syncd.sdk.fake import Fault
from syncd.store import firings, leases
from syncd.store.tables import outbox
from tests.integration.daemon.agency import Agency, Gate, eventually, quiet


def test_each_slot_sends_its_digest_once(agency: Agency) -> None:
    agency.started()

    for count in (1, 2, 3):
        agency.pass_time(minutes=30)
        eventually(lambda count=count: agency.mails() == count)

    assert quiet(lambda: agency.mails() > 3)
    assert eventually(lambda: agency.slots("done") == ["09:30", "10:00", "10:30"])
    assert len(set(agency.message_ids())) == 3


def test_two_services_on_one_database_send_each_digest_once(agency: Agency) -> None:
    first, second = agency.started(), agency.service()
    second.start()
    eventually(lambda: second.state is State.STANDBY)

    for count in range(1, 7):  # each jump outlasts the lead, so that it changes hands
        agency.pass_time(minutes=30)
        eventually(lambda count=count: agency.mails() >= count)

    assert quiet(lambda: agency.mails() > 6)
    assert len(set(agency.message_ids())) == 6
    assert eventually(lambda: {first.state, second.state} == {State.LEADING, State.STANDBY})


def test_the_one_that_stands_by_takes_over_at_once_when_the_leader_stops(agency: Agency) -> None:
    first, second = agency.started(), agency.service()
    second.start()

    assert first.stop()

    eventually(lambda: second.state is State.LEADING)
    agency.pass_time(minutes=30)
    eventually(lambda: agency.mails() == 1)


def test_a_lead_survives_a_short_outage_of_the_database(local: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    service = local.started(term=timedelta(seconds=0.9))
    refusals = iter([StoreError("locked"), StoreError("locked")])
    take = leases.take

    def refuse_twice(*args: Any, **options: Any) -> bool:
        if error := next(refusals, None):
            raise error
        return take(*args, **options)

    monkeypatch.setattr(scheduler.leases, "take", refuse_twice)

    eventually(lambda: local.said("database back"))
    assert len(local.said("database down")) == 1
    assert local.said("lead lost") == []
    assert service.state is State.LEADING


def test_a_fault_of_ours_does_not_end_the_service(local: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = scheduler.Lead.begin
    faults = iter([RuntimeError("a bug")])

    def begin_badly(lead: scheduler.Lead) -> None:
        if error := next(faults, None):
            raise error
        begin(lead)

    monkeypatch.setattr(scheduler.Lead, "begin", begin_badly)

    local.started()

    assert len(local.said("lead crashed")) == 1


# -- missed and held ------------------------------------------------------------------------------------------------


def test_of_the_slots_missed_while_nothing_ran_only_the_newest_is_caught_up(local: Agency) -> None:
    local.started().stop()
    local.pass_time(hours=3)

    local.started()

    eventually(lambda: local.mails() == 1)
    assert quiet(lambda: local.mails() > 1)
    assert local.slots() == ["12:00"]
    assert [line["slots"] for line in local.said("slots missed")] == [5]


def test_a_slot_missed_by_more_than_a_day_is_told_and_not_sent(local: Agency) -> None:
    local.when = "monday 10:00"
    local.started().stop()
    local.pass_time(days=3)

    local.started()

    assert quiet(lambda: local.mails() > 0)
    assert [line["slots"] for line in local.said("slots missed")] == [1]


@pytest.mark.parametrize("has_older", [True, False])
def test_a_slot_noted_under_a_wrong_clock_does_not_silence_the_rhythm(local: Agency, has_older: bool) -> None:
    schedule = jobs.plan_schedule("acme", local.when)
    noted = [local.clock.now() + timedelta(days=400)] + [local.clock.now()] * has_older
    with local.store.begin() as database:
        for at in noted:
            firings.register_all(database, [schedule], at=at, config_version="1", holder="other")

    local.started().reload(local.config())
    local.pass_time(minutes=30)

    eventually(lambda: local.mails() == 1)
    assert len(local.said("slot in the future ignored")) == 1


def test_a_machine_that_slept_sends_the_newest_slot_only(local: Agency) -> None:
    local.started()

    local.pass_time(hours=2)

    eventually(lambda: local.mails() == 1)
    assert quiet(lambda: local.mails() > 1)
    assert local.slots() == ["11:00"]


def test_a_digest_held_for_a_failing_source_is_told_once_and_sent_when_it_answers(local: Agency) -> None:
    local.when = "monday 10:00"
    local.started()
    local.github.misbehave(Fault.GONE, path="/issues", times=1000)

    for _ in range(12):
        local.pass_time(minutes=10)
        assert quiet(lambda: local.mails() > 0, seconds=0.15)
    local.github.behave()
    local.pass_time(hours=1)

    eventually(lambda: local.mails() == 1)
    assert len(local.said("digest held")) == 1
    assert local.slots("done") == ["10:00"]


def test_a_held_digest_is_given_up_when_the_next_one_comes(local: Agency) -> None:
    local.started()
    local.github.misbehave(Fault.GONE, path="/issues", times=1000)

    local.pass_time(minutes=19)
    eventually(lambda: local.said("connection down"))
    local.pass_time(minutes=2)
    eventually(lambda: local.said("digest held"))
    local.pass_time(minutes=28, seconds=30)

    eventually(lambda: local.said("digest given up"))
    assert local.mails() == 0
    eventually(lambda: local.slots("failed") == ["09:30"])


def test_a_fault_while_composing_is_tried_again(local: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    local.started()
    commit = compose.commit
    faults = iter([RuntimeError("a bug"), StoreError("locked")])

    def commit_badly(*args: Any) -> int:
        if error := next(faults, None):
            raise error
        return commit(*args)

    monkeypatch.setattr(compose, "commit", commit_badly)

    local.pass_time(minutes=20)
    eventually(lambda: local.said("job crashed"))
    local.pass_time(minutes=2)
    eventually(lambda: local.said("database down"))
    local.pass_time(minutes=1)

    eventually(lambda: local.mails() == 1)
    assert eventually(lambda: local.slots("done") == ["09:30"])


# -- death ----------------------------------------------------------------------------------------------------------


def test_a_slot_whose_process_died_before_composing_is_taken_over(agency: Agency) -> None:
    agency.started().stop()
    agency.pass_time(minutes=20)
    _claim(agency, "plan:acme:every 30m")

    agency.started()

    eventually(lambda: agency.mails() == 1)
    assert eventually(lambda: agency.slots("done") == ["09:30"])


def test_a_slot_whose_process_died_after_composing_is_not_sent_twice(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = agency.started()
    monkeypatch.setattr("syncd.daemon.jobs.end_slot", lambda *args, **options: None)
    agency.pass_time(minutes=20)
    eventually(lambda: agency.mails() == 1)
    service.stop()
    monkeypatch.undo()
    monkeypatch.setenv("AGENCY_GITHUB", "ghp_fake0123456789")
    assert agency.slots("running") == ["09:30"]

    agency.started()

    assert eventually(lambda: agency.slots("done") == ["09:30"])
    assert quiet(lambda: agency.mails() > 1)


def test_a_slot_of_a_plan_that_is_gone_is_given_up(local: Agency) -> None:
    local.started().stop()
    local.pass_time(minutes=20)
    _claim(local, "plan:acme:every 20m")

    local.started()

    row = next(row for row in local.rows("firings") if row["schedule"] == "plan:acme:every 20m")
    assert (row["state"], row["error"]) == ("failed", "no longer in the plan")


def _claim(agency: Agency, schedule: str) -> None:
    """Claim the slot of half past nine for a process that is no more."""
    due = agency.clock.now().replace(minute=30)
    with agency.store.begin() as database:
        firings.claim(database, schedule, due, at=due, config_version="v", holder="gone~1:99:x")


def test_a_mail_that_a_dead_process_had_in_hand_is_unknown_at_once_and_not_repeated(local: Agency) -> None:
    service = local.started()
    local.pass_time(minutes=20)
    eventually(lambda: local.mails() == 1)
    eventually(lambda: local.rows("outbox", state="sent"))
    service.stop()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    machine, _, mark = leases.new_holder().split(":")
    with local.store.begin() as database:
        until = local.clock.now() + timedelta(minutes=15)
        claim = {"state": "claimed", "claimed_by": f"{machine}:{dead.pid}:{mark}", "claimed_until": until}
        database.execute(sa.update(outbox).values(**claim, settled_at=None))

    local.started()

    eventually(lambda: local.rows("outbox", state="unknown"))
    assert quiet(lambda: local.mails() > 1)


def test_a_stop_lets_the_page_in_hand_finish_and_the_next_start_goes_on_from_the_cursor(local: Agency) -> None:
    for number in range(250):
        local.github.add_issue("acme/portal", f"Task {number}")
    gate = Gate("/issues", after=1)
    local.github.before_each(gate)
    service = local.service()
    service.start()
    assert gate.reached.wait(20.0)

    stopping = threading.Thread(target=service.stop)
    stopping.start()
    gate.open.set()
    stopping.join(10.0)

    assert not stopping.is_alive()
    stored = [row for row in local.rows("records") if row["stream"] == "issues"]
    assert 100 <= len(stored) < 252
    before = len(local.github.calls)
    local.started()
    eventually(lambda: len(local.rows("records", stream="issues")) == 252)
    asked = [call.query.get("since") for call in local.github.calls[before:] if call.path.endswith("/portal/issues")]
    assert asked[0] is not None


def test_work_that_outlasts_the_grace_period_is_cut_off(local: Agency) -> None:
    gate = Gate("/issues")
    local.github.before_each(gate)
    service = local.service(grace_seconds=0.2)
    service.start()
    assert gate.reached.wait(20.0)

    is_clean = service.stop()

    assert not is_clean
    assert len(local.said("work cut off")) == 1
    gate.open.set()


# -- connections ----------------------------------------------------------------------------------------------------


def test_a_slow_vendor_does_not_hold_the_others(local: Agency) -> None:
    local.extra = SLOW.format(github=local.github.url)
    gate = Gate("/slow/")
    local.github.add_repository("slow/one")
    local.github.before_each(gate)

    local.started()
    assert gate.reached.wait(20.0)
    local.pass_time(minutes=20)

    eventually(lambda: local.mails() == 1)
    assert not any(row["connection"] == "slow" for row in local.rows("records"))
    gate.open.set()


SLOW = """\
  slow:
    connector: github
    allow_private_hosts: [127.0.0.1]
    config: {{base_url: "{github}", repositories: [slow/one], token: env:AGENCY_GITHUB}}
"""


def test_a_connection_is_told_down_once_and_back_once(local: Agency) -> None:
    local.started()
    local.github.misbehave(Fault.GONE, times=1000)

    for count in range(2, 6):
        local.pass_time(minutes=61)
        eventually(lambda count=count: len([row for row in local.rows("runs") if row["ended_at"]]) == count)
    local.github.behave()
    local.pass_time(minutes=61)

    eventually(lambda: local.said("connection back"))
    assert [line["connection"] for line in local.said("connection down")] == ["gh"]
    assert [line["connection"] for line in local.said("connection back")] == ["gh"]


def test_refused_credentials_are_tried_once_an_hour(local: Agency) -> None:
    local.started()
    local.github.misbehave(Fault.EXPIRED_TOKEN, times=1000)
    local.pass_time(minutes=15)
    eventually(lambda: local.said("connection down"))
    before = len(local.github.calls)

    for _ in range(10):
        local.pass_time(minutes=5)
        quiet(lambda: False, seconds=0.1)

    assert len(local.github.calls) == before
    local.pass_time(minutes=61)
    eventually(lambda: len(local.github.calls) > before)


def test_a_failing_stream_is_tried_again_after_five_minutes_and_leaves_the_others_alone(local: Agency) -> None:
    local.started()
    local.github.misbehave(Fault.GONE, path="/milestones", times=1)
    local.pass_time(minutes=19)
    eventually(lambda: local.said("connection down"))
    eventually(lambda: any(row["state"] == "failed" for row in local.rows("firings")))
    assert quiet(lambda: local.said("connection back"))
    milestones, issues = local.github.count("/milestones"), local.github.count("/portal/issues$")

    local.pass_time(minutes=5, seconds=1)

    eventually(lambda: local.said("connection back"))
    assert local.github.count("/milestones") == milestones + 1
    assert local.github.count("/portal/issues$") == issues


def test_a_mail_server_that_refuses_our_login_is_left_alone_for_a_while(local: Agency) -> None:
    local.mail.accounts["nobody"] = "secret"
    local.started()

    local.pass_time(minutes=20)
    eventually(lambda: local.said("connection down"))
    before = len(local.mail.calls)

    assert quiet(lambda: len(local.mail.calls) > before)
    assert [line["connection"] for line in local.said("connection down")] == ["mail"]
    local.mail.accounts.clear()
    local.pass_time(minutes=9)
    assert quiet(lambda: local.mails() > 0, seconds=0.2)
    local.pass_time(minutes=9)
    eventually(lambda: local.mails() >= 1)
    eventually(lambda: local.said("connection back"))


# -- reload ---------------------------------------------------------------------------------------------------------


def test_a_changed_plan_is_taken_over_without_losing_or_doubling_a_slot(agency: Agency) -> None:
    service = agency.started()
    agency.pass_time(minutes=20)
    eventually(lambda: agency.mails() == 1)

    agency.when = "every 20m"
    service.reload(agency.config())
    agency.pass_time(minutes=10)

    eventually(lambda: agency.mails() == 2)
    assert quiet(lambda: agency.mails() > 2)
    assert eventually(lambda: agency.slots("done") == ["09:40", "09:30"])


def test_a_reload_keeps_what_is_held(local: Agency) -> None:
    local.when = "monday 10:00"
    service = local.started()
    local.github.misbehave(Fault.GONE, path="/issues", times=1000)
    local.pass_time(minutes=30)
    eventually(lambda: local.said("connection down"))
    local.pass_time(minutes=21)
    eventually(lambda: local.said("digest held"))

    local.github.behave()
    service.reload(local.config())

    eventually(lambda: local.mails() == 1)
    assert eventually(lambda: local.slots("done") == ["10:00"])


def test_digests_are_still_sent_after_many_reloads(local: Agency) -> None:
    service = local.started()

    for count in (1, 2, 3):
        local.pass_time(minutes=30)
        for _ in range(5):
            service.reload(local.config())
        eventually(lambda count=count: local.mails() == count)

    assert len(set(local.message_ids())) == 3


def test_a_wrong_configuration_leaves_the_old_one_in_force(local: Agency) -> None:
    service = local.started()
    config = local.config()
    mail = config.service.connections["mail"].model_copy(update={"connector": "pigeon"})
    wrong = config.service.model_copy(update={"connections": {**config.service.connections, "mail": mail}})

    with pytest.raises(ConfigError, match="pigeon"):
        service.reload(config.model_copy(update={"service": wrong}))

    local.pass_time(minutes=20)
    eventually(lambda: local.mails() == 1)


def test_a_connection_that_is_removed_is_read_no_more(local: Agency) -> None:
    local.extra = SLOW.format(github=local.github.url)
    local.github.add_repository("slow/one")
    service = local.started()
    eventually(lambda: any(row["connection"] == "slow" for row in local.rows("records")))

    local.extra = ""
    service.reload(local.config())
    before = local.github.count("/slow/")
    local.pass_time(hours=2)

    eventually(lambda: local.mails() == 1)
    assert local.github.count("/slow/") == before


def test_what_only_a_restart_can_change_is_told(local: Agency) -> None:
    service = local.started()

    local.port = 9
    service.reload(local.config())

    assert [line["setting"] for line in local.said("setting needs a restart")] == ["web"]
