"""What is written to PingCode, how it is found again, and what PingCode drops in silence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.pingcode import PingCode
from connectors.pingcode.fake import Fake
from syncd.errors import RejectedError
from syncd.sdk import Command, Outcome
from syncd.sdk.fake import Fault

Connect = Callable[..., PingCode]
KEY = "acme/portal/9/pm"
MARK = "[syncd 6ccc5254ba7bbb09]"


def comment(target: str, **payload: object) -> Command:
    return Command("create_comment", KEY, {"content": "周报第 9 期", **payload}, target_id=target)


def work_item(target: str, **payload: object) -> Command:
    return Command("create_work_item", KEY, {"title": "Agree the date", "type_id": "task", **payload}, target_id=target)


# -- comments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["a", "b", "c"])
@pytest.mark.parametrize("form", ["id", "short_id", "identifier"])
def test_comment_reaches_its_work_item_under_every_name(
    fake: Fake, connect: Connect, generation: str, form: str
) -> None:
    fake.generations = generation
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Weekly report")
    connector = connect()

    receipt = connector.write(comment(fake.tenant.work_items[item][form]))

    (written,) = fake.tenant.comments_on(item)
    assert written["content"] == f"周报第 9 期\n\n{MARK}"
    assert receipt.remote_id == written["id"]
    assert fake.refused == []


def test_comment_is_found_even_when_someone_has_deleted_it(fake: Fake, connect: Connect) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Weekly report")
    connector = connect()
    written = connector.write(comment("ORB-1")).remote_id
    fake.tenant.comments[written]["is_deleted"] = 1

    found = connector.find(comment(item))

    assert found is not None
    assert (found.remote_id, found.outcome) == (written, Outcome.UNCHANGED)


def test_comment_is_found_among_hundreds(fake: Fake, connect: Connect) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Weekly report")
    connector = connect()
    for number in range(250):
        fake.add_comment(item, f"talk {number}")
    written = connector.write(comment(item)).remote_id

    found = connector.find(comment(item))

    assert found is not None
    assert found.remote_id == written


def test_comment_on_an_unknown_item_is_rejected(fake: Fake, connect: Connect) -> None:
    connector = connect()

    for target in ("66b1c2d3e4f5a6b7c8d9e001", "ORB-404", "nosuchslug"):
        with pytest.raises(RejectedError):
            connector.write(comment(target))
        with pytest.raises(RejectedError):
            connector.find(comment(target))

    assert fake.tenant.comments == {}


def test_comment_on_a_deleted_item_is_rejected(fake: Fake, connect: Connect) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Weekly report")
    fake.tenant.delete(fake.tenant.work_items[item])

    with pytest.raises(RejectedError, match="was deleted"):
        connect().write(comment(item))

    assert fake.tenant.comments == {}


@pytest.mark.parametrize("generation", ["a", "b", "c"])
def test_write_outside_the_configured_projects_is_rejected(fake: Fake, connect: Connect, generation: str) -> None:
    fake.generations = generation
    ours, theirs = (fake.add_project(name, identifier=name) for name in ("OUR", "THEIR"))
    fake.add_work_item(ours, "ours")
    other = fake.add_work_item(theirs, "theirs")
    connector = connect(projects=["OUR"])

    for command in (comment(other), comment("THEIR-1"), work_item("THEIR"), work_item(theirs)):
        with pytest.raises(RejectedError, match="outside the projects that this connection is for; it is for OUR"):
            connector.write(command)
    connector.write(comment("OUR-1"))
    connector.write(work_item(ours))

    assert [item["title"] for item in fake.tenant.work_items.values()] == ["ours", "theirs", "Agree the date"]
    assert len(fake.tenant.comments) == 1


def test_receipt_of_a_comment_leads_a_person_to_its_work_item(fake: Fake, connect: Connect) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Weekly report")

    receipt = connect().write(comment(item))

    assert receipt.url == "https://acme.pingcode.com/pjm/workitems/w0000001"


def test_field_that_pingcode_would_drop_is_refused_by_name(fake: Fake, connect: Connect) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Weekly report")

    with pytest.raises(RejectedError, match=r"no field 'contents' .* allowed: content, reply_comment_id"):
        connect().write(comment(item, contents="typo"))

    assert fake.tenant.comments == {}


# -- work items -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["a", "b", "c"])
@pytest.mark.parametrize("key", ["external_id", None])
def test_work_item_is_found_by_its_mark(fake: Fake, connect: Connect, generation: str, key: str | None) -> None:
    fake.generations = generation
    project = fake.add_project("Orbit", identifier="ORB")
    connector = connect(external_id_property=key)
    for number in range(120):
        fake.add_work_item(project, f"other {number}", properties={"external_id": f"{KEY}{number}"})

    before = connector.find(work_item("ORB"))
    receipt = connector.write(work_item("ORB", description="<p>With Ms Wang</p>"))
    after = connector.find(work_item(project))

    written = fake.tenant.work_items[receipt.remote_id]
    assert before is None
    assert after is not None
    assert after.remote_id == receipt.remote_id
    assert receipt.url == "https://acme.pingcode.com/pjm/workitems/w0000079"
    assert receipt.detail == ""
    assert written["properties"] == ({"external_id": KEY} if key else {})
    assert written["description"] == ("<p>With Ms Wang</p>" if key else f"<p>With Ms Wang</p><p>{MARK}</p>")


@pytest.mark.parametrize("generation", ["a", "b", "c"])
def test_release_is_sent_under_the_generations_name(fake: Fake, connect: Connect, generation: str) -> None:
    fake.generations = generation
    project = fake.add_project("Orbit", identifier="ORB")
    day = fake.now().date()
    version = fake.add_version(project, "2026.3", day, day)

    receipt = connect().write(work_item(project, version_ids=[version]))

    assert [v["name"] for v in fake.tenant.work_items[receipt.remote_id]["versions"]] == ["2026.3"]
    assert fake.refused == []


def test_field_that_was_not_kept_is_named_in_the_receipt(fake: Fake, connect: Connect) -> None:
    fake.drops_properties = True
    project = fake.add_project("Orbit", identifier="ORB")

    receipt = connect(external_id_property="external_id").write(work_item(project, properties={"risk": "high"}))

    assert receipt.outcome is Outcome.CREATED
    assert receipt.detail == "PingCode did not keep properties.risk, properties.external_id"


def test_work_item_that_cannot_be_read_again_is_still_written(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    fake.misbehave(Fault.FORBIDDEN, path="/work_items/[0-9a-f]+$")

    receipt = connect().write(work_item(project))

    assert receipt.remote_id in fake.tenant.work_items
    assert receipt.detail == "created; it could not be read again, so its fields are not verified"


def test_time_in_milliseconds_is_rejected_by_the_vendor(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")

    with pytest.raises(RejectedError, match="100004"):
        connect().write(work_item(project, end_at=1_767_916_800_000))

    assert fake.tenant.work_items == {}


def test_null_is_not_sent(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")

    receipt = connect().write(work_item(project, assignee_id=None, end_at=None))

    assert receipt.detail == ""
