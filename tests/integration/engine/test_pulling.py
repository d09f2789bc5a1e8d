"""Reading: what a vendor's trouble does to a stream, a connection and the run; nothing is lost or jumped over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from syncd.engine import landing
from syncd.engine.compose import draft, turns
from syncd.engine.pull import Wish, pull
from syncd.engine.run import Order, execute
from syncd.errors import AuthError, ContractError, RateLimitedError, TransientError
from syncd.sdk.connector import Page
from syncd.sdk.fake import Fault
from tests.integration.engine.world import World


def cursor_rows(world: World, stream: str) -> list[dict[str, Any]]:
    return world.rows("cursors", connection="pc", stream=stream)


def health(world: World) -> dict[str, str]:
    return {row["name"]: row["state"] for row in world.rows("connections")}


def titles(world: World) -> set[str]:
    return {row["remote_id"] for row in world.rows("entities", kind="Task", connection="pc") if not row["deleted_at"]}


def test_one_streams_failure_leaves_the_others(world: World) -> None:
    world.pingcode.misbehave(Fault.GONE, path=r"/search$", times=99)

    report = world.run(only="pull")

    failed = {(p.place.connection, p.place.stream) for r in report.pulls for p in r.streams if p.error}
    assert failed == {("pc", "work_items"), ("pc", "comments")}
    assert isinstance(report.errors[0], ContractError)
    assert report.state == "attention"
    assert world.rows("entities", kind="Milestone") == []
    assert len(world.rows("entities", kind="Project")) == 2
    assert len(world.rows("entities", kind="Account")) == 1


def test_a_connection_that_recovers_reads_what_it_missed(local: World) -> None:
    local.pingcode.misbehave(Fault.GONE, path=r"/search$", times=99)
    local.run(only="pull")
    local.pingcode.behave()

    report = local.run()

    assert report.state == "ok"
    assert report.drafts[0].record.progress.total_count == 3
    assert all(row["failed_at"] is None for row in local.rows("cursors"))


def test_refused_credentials_pause_the_connection_and_leave_the_others(local: World, monkeypatch: Any) -> None:
    monkeypatch.setenv("PC_SECRET", "revoked-since-yesterday")

    report = local.run()

    assert [type(error) for error in report.errors] == [AuthError]
    assert health(local)["pc"] == "paused"
    assert health(local)["crm"] == "up"
    assert len(local.rows("entities", kind="Account")) == 1
    assert local.effects == (0, 0)
    assert len(next(r for r in report.pulls if r.connection == "pc").streams) == 1


def test_a_token_that_expires_in_the_middle_is_renewed(local: World) -> None:
    local.pingcode.misbehave(Fault.EXPIRED_TOKEN, path=r"/search$")

    report = local.run()

    assert report.state == "ok"
    assert report.drafts[0].record.progress.total_count == 3


def test_a_429_is_waited_out(local: World) -> None:
    local.pingcode.misbehave(Fault.RATE_LIMITED, path=r"/search$", times=2, retry_after=7.0)
    before = local.clock.now()

    report = local.run()

    assert report.state == "ok"
    assert local.clock.now() - before >= timedelta(seconds=14)


def test_a_429_that_lasts_ends_the_read_and_the_next_run_goes_on(local: World) -> None:
    local.pingcode.misbehave(Fault.RATE_LIMITED, path=r"/search$", times=1, retry_after=3600.0)

    first = local.run(only="pull")
    local.pass_time(timedelta(hours=1))
    second = local.run(only="pull")

    assert RateLimitedError in {type(error) for error in first.errors}
    assert second.errors == []
    assert len(titles(local)) == 4


def test_errors_of_the_server_are_tried_again_and_then_left_to_the_next_run(local: World) -> None:
    local.pingcode.misbehave(Fault.SERVER_ERROR, path=r"/projects$", times=3)
    patient = local.run(only="pull")

    local.pingcode.misbehave(Fault.RESET, path=r"/projects$", times=99)
    cut = local.run(only="pull")

    assert patient.errors == []
    assert {type(error) for error in cut.errors} == {TransientError}
    assert health(local)["pc"] == "down"


def test_going_down_and_coming_back_are_told_once_each(local: World) -> None:
    def told(times: int) -> list[tuple[str, str]]:
        with capture_logs() as logs:
            for _ in range(times):
                local.run(only="pull")
        return [(log["event"], log["log_level"]) for log in logs if log["event"].startswith("connection")]

    assert told(1) == []
    local.pingcode.misbehave(Fault.GONE, path=r"/search$", times=999)
    assert told(3) == [("connection down", "warning")]
    local.pingcode.behave()
    assert told(3) == [("connection back", "info")]


def test_a_good_stream_does_not_hide_that_another_one_still_fails(local: World) -> None:
    local.pingcode.misbehave(Fault.GONE, path=r"/search$", times=999)
    local.run(only="pull")

    with local.open() as space:
        pull(space, "", "pc", Wish(streams=frozenset({"users"})))
        during = health(local)["pc"]
        local.pingcode.behave()
        pull(space, "", "pc", Wish(streams=frozenset({"work_items", "comments"})))

    assert during == "down"
    assert health(local)["pc"] == "up"


def test_a_fault_in_a_connectors_code_is_its_streams_error_only(local: World, monkeypatch: Any) -> None:
    with local.open() as space:
        connector = space.connector("pc")
        read = connector.read

        def breaks(stream: str, cursor: Any, *, partition: str = "") -> Iterator[Page]:
            if stream == "users":
                raise KeyError("display_name")
            return read(stream, cursor, partition=partition)

        monkeypatch.setattr(connector, "read", breaks)
        report = execute(space, Order(only="pull"))

    assert [str(error) for error in report.errors] == [
        "pc users: the connector broke on an answer of the vendor (KeyError: 'display_name'); please report it"
    ]
    assert len(titles(local)) == 4


def test_a_read_without_the_vendors_end_is_not_complete(local: World, monkeypatch: Any) -> None:
    with local.open() as space:
        connector = space.connector("pc")
        monkeypatch.setattr(connector, "read", lambda *_, **__: iter([Page(())]))
        report = execute(space, Order(only="pull"))

    pc = next(r for r in report.pulls if r.connection == "pc")
    assert {type(error) for error in pc.errors} == {ContractError}
    assert all(row["as_of"] is None for row in cursor_rows(local, "work_items"))


# -- a person's --since -----------------------------------------------------------------------------------------------


def test_since_on_a_first_run_still_reads_everything(local: World) -> None:
    local.run(only="pull", since=local.clock.now())

    assert len(titles(local)) == 4


def test_since_in_the_future_of_the_cursor_jumps_over_nothing(local: World) -> None:
    local.run(only="pull")
    local.pass_time(timedelta(days=1))
    late = local.task("Made in between")
    local.pass_time(timedelta(days=2))

    local.run(only="pull", since=local.clock.now() - timedelta(minutes=5))

    assert late in titles(local)


def test_since_before_the_cursor_reads_again_and_keeps_the_place(world: World) -> None:
    world.run(only="pull")
    world.pass_time(timedelta(days=3))
    world.task("New")
    world.run(only="pull")
    before = cursor_rows(world, "work_items")[0]["cursor"]

    report = world.run(only="pull", since=world.clock.now() - timedelta(days=30))

    items = next(p for r in report.pulls for p in r.streams if p.place.stream == "work_items")
    assert (items.balance.read, items.balance.written, items.balance.unchanged) == (6, 0, 6)
    assert cursor_rows(world, "work_items")[0]["cursor"] == before


# -- what does not fit ------------------------------------------------------------------------------------------------


def put_mapping(world: World, *changes: tuple[str, str]) -> None:
    """Give the world a mapping of its own: the shipped one with some words changed."""
    text = Path("mappings/pingcode.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (world.folder / "mappings").mkdir(exist_ok=True)
    (world.folder / "mappings" / "pingcode.yaml").write_text(text, "utf-8")


def make_alien(world: World, task: str) -> None:
    item = world.pingcode.tenant.work_items[task]
    world.pingcode.tenant.update(item, state={"id": "x", "name": "外星", "type": "alien"})


def test_a_record_that_does_not_fit_is_parked_and_the_run_goes_on(world: World) -> None:
    make_alien(world, world.ids["export"])

    report = world.run()

    parked = world.rows("parked", state="open")
    assert [(row["remote_id"], row["field"], row["value"]) for row in parked] == [
        (world.ids["export"], "status", '"alien"')
    ]
    assert 'CP-4: state.type "alien" has no entry in mappings/pingcode.yaml' in parked[0]["reason"]
    assert "pending, in_progress, completed, closed" in parked[0]["reason"]
    assert report.balance.parked == 1
    assert report.needs_attention
    assert report.drafts[0].record.progress.total_count == 2
    assert not report.drafts[0].record.is_complete


def test_a_mended_mapping_takes_the_parked_record_without_a_fetch(local: World) -> None:
    make_alien(local, local.ids["export"])
    local.run()
    put_mapping(local, ("{pending: todo,", "{alien: todo, pending: todo,"))
    calls = local.vendor_calls

    with local.open() as space:
        through, still = landing.retry_parked(space)

    assert (through, still) == (1, 0)
    assert local.vendor_calls == calls
    assert local.rows("parked", state="open") == []
    assert local.ids["export"] in titles(local)


def test_a_changed_mapping_is_applied_to_what_is_stored_at_the_next_run(local: World) -> None:
    make_alien(local, local.ids["export"])
    local.run(only="pull")
    put_mapping(local, ("{pending: todo,", "{alien: todo, pending: todo,"))

    report = local.run(only="pull")

    replayed = {p.place.stream: p.replayed for r in report.pulls for p in r.streams if p.replayed}
    assert replayed["work_items"] == 4
    assert local.rows("parked", state="open") == []


def test_entities_that_a_changed_mapping_takes_no_longer_are_dropped(world: World) -> None:
    world.run(only="pull")
    assert len(world.rows("entities", kind="Milestone")) == 1
    put_mapping(
        world,
        ("when: {path: work_item_type.group, in: [plan]}", "when: {path: work_item_type.group, in: [never]}"),
        (
            "  - stream: work_items\n    entity: Task\n    fields:\n      key: *key",
            "  - stream: work_items\n    entity: Task\n    when: {path: type, in: [task]}\n    fields:\n      key: *key",  # noqa: E501
        ),
    )

    world.run(only="pull")

    assert world.rows("entities", kind="Milestone") == []
    assert len(titles(world)) == 4


# -- partitions -------------------------------------------------------------------------------------------------------


def test_partitions_that_cannot_be_listed_once_do_not_hold_digests_for_ever(local: World, monkeypatch: Any) -> None:
    with local.open() as space:
        connector = space.connector("pc")
        with monkeypatch.context() as patch:
            patch.setattr(connector, "partitions", _out_of_order)
            broken = execute(space, Order(accounts=("acme",)))
        mended = execute(space, Order(accounts=("acme",)))

    assert broken.drafts[0].verdict == "held"
    assert mended.drafts[0].verdict == "queued"


def _out_of_order(stream: str) -> Any:
    raise TransientError("GET /projects: no whole answer")


def test_a_stream_without_partitions_counts_as_read(local: World) -> None:
    for project in local.pingcode.tenant.projects.values():
        project["type"] = "kanban"

    report = local.run()

    assert report.state == "ok"
    assert cursor_rows(local, "sprints")[0]["partition"] == ""


def test_a_stream_that_was_never_read_makes_the_record_incomplete(local: World) -> None:
    with local.open() as space:
        pull(space, "", "pc", Wish(streams=frozenset({"projects", "users"})))
        pull(space, "", "crm", Wish())
        drafted = draft(space, turns(space.config.account("acme"))[0], now=local.clock.now())

    notes: Mapping[str, str] = {source.connection: source.note for source in drafted.record.sources}
    assert drafted.verdict == "held"
    assert notes["pc"] == "work_items: not read to its end yet"


def test_a_stream_that_the_mapping_uses_no_longer_holds_nothing(local: World) -> None:
    local.run()
    text = Path("mappings/pingcode.yaml").read_text("utf-8")
    start, end = text.index("  - stream: comments"), text.index("push:")
    (local.folder / "mappings").mkdir()
    (local.folder / "mappings" / "pingcode.yaml").write_text(text[:start] + text[end:], "utf-8")
    local.pass_time(timedelta(days=3))

    report = local.run()

    assert [source.freshness for source in report.drafts[0].record.sources] == ["fresh", "fresh"]
