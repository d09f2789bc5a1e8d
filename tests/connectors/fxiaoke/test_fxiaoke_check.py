"""The check: who we are, and what is missing, by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from connectors.fxiaoke import Fxiaoke
from connectors.fxiaoke.fake import Fake
from syncd.sdk.testing import Clock

Connect = Callable[..., Fxiaoke]


@pytest.mark.parametrize(
    ("style", "name", "tenant"), [("header", "employee 1000", "fake8899"), ("body", "王敏", "FSCID_FAKE01")]
)
def test_check_names_user_and_tenant(connect: Connect, style: str, name: str, tenant: str) -> None:
    identity = connect(style=style).check()

    assert (identity.name, identity.tenant, identity.missing, identity.notes) == (name, tenant, (), ())


def test_object_that_is_not_active_is_named_with_the_way_out(fake: Fake, crm: Fxiaoke) -> None:
    fake.add_object("OpportunityObj")
    fake.inactive.add("NewOpportunityObj")

    missing = crm.check().missing

    assert missing == (
        (
            "opportunities: the object NewOpportunityObj is not there, or not active; "
            "set opportunity_object: OpportunityObj"
        ),
    )


def test_missing_further_object_is_named(connect: Connect) -> None:
    missing = connect(objects=["object_project__c"]).check().missing

    assert missing == ("objects object_project__c: the object object_project__c is not there, or not active",)


def test_tenant_without_a_task_object_is_noted(connect: Connect) -> None:
    notes = connect(task_object="TaskObj").check().notes

    assert notes == ("create_task: the object TaskObj is not there; set task_object",)


@pytest.mark.parametrize("style", ["header", "body"])
def test_closed_address_book_is_named(fake: Fake, connect: Connect, style: str) -> None:
    fake.sees_directory = False

    [missing] = connect(style=style).check().missing

    assert missing.startswith("users: the app's right to read the address book (200 code 20022")


def test_object_that_may_not_be_read_is_named(fake: Fake, crm: Fxiaoke) -> None:
    fake.hidden.add("ActiveRecordObj")

    [missing] = crm.check().missing

    assert missing == (
        "activities: acting_user 1000 may not read ActiveRecordObj (200 code 320001: 无此操作的数据权限)"
    )


def test_unknown_key_field_and_kind_are_named(connect: Connect) -> None:
    missing = connect(key_field="syncd_key__c", follow_up_type="99").check().missing

    assert missing == (
        "create_follow_up: key_field 'syncd_key__c' is no field of ActiveRecordObj",
        (
            "create_follow_up: follow_up_type '99' is none of 0a1b2c3d4e5f60718293a4b5c6d7e8f9 (拜访), "
            "1b2c3d4e5f60718293a4b5c6d7e8f90a (电话), 2c3d4e5f60718293a4b5c6d7e8f90a1b (周报)"
        ),
    )


def test_check_tells_the_difference_of_the_clocks(fake: Fake, clock: Clock, crm: Fxiaoke) -> None:
    fake.set_clock(clock.now() + timedelta(minutes=3))

    assert crm.check().clock_skew_seconds == 180.0
