"""Whatever happens between and during reads, the cursor passes no change."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.pingcode import PingCode, PingCodeConfig
from connectors.pingcode.fake import Fake
from syncd.sdk.paging import parse_stamp
from syncd.sdk.testing import Clock, context_for

MINUTES = st.integers(min_value=0, max_value=3 * 24 * 60)
ACTIONS = st.sampled_from(["add", "touch first", "touch last", "delete", "read", "read while it changes"])
STEPS = st.lists(st.tuples(MINUTES, ACTIONS), max_size=12)


def act(fake: Fake, project: str, action: str) -> None:
    items = list(fake.tenant.work_items.values())
    match action:
        case "touch first" if items:
            fake.tenant.update(items[0], title="touched")
        case "touch last" if items:
            fake.tenant.update(items[-1], title="touched")
        case "delete" if items:
            fake.tenant.delete(items[len(items) // 2])
        case _:
            fake.add_work_item(project, "added")


@pytest.mark.parametrize("generation", ["a", "b"])
@settings(max_examples=15, deadline=None)
@given(steps=STEPS, newest_first=st.booleans())
def test_every_change_is_seen_by_the_read_after_the_last(
    generation: str, steps: list[tuple[int, str]], newest_first: bool
) -> None:
    clock = Clock()
    with Fake(generations=generation) as fake:
        clock.drive(fake)
        fake.newest_first = newest_first
        secret = SecretStr(fake.client_secret)
        config = PingCodeConfig(
            base_url=fake.url, client_id=fake.client_id, client_secret=secret, generation=generation
        )
        connector = PingCode(config, context=context_for(clock))
        project, seen, cursor = fake.add_project("Orbit", identifier="ORB"), {}, None
        changes = iter([])
        fake.before_each(lambda _: [act(fake, project, change) for change in [next(changes, None)] if change])
        for minutes, action in [*steps, (0, "read"), (0, "read")]:
            clock.wait(minutes * 60.0)
            if not action.startswith("read"):
                act(fake, project, action)
                continue
            started = clock.now()
            changes = iter(["touch first", "add"] if "changes" in action else [])
            pages = list(connector.read("work_items", cursor))
            seen |= {record.remote_id: record.data["updated_at"] for page in pages for record in page.records}
            cursor = pages[-1].cursor
            assert cursor is None or parse_stamp(str(cursor["updated_at"])) <= started + timedelta(seconds=1)
        connector.close()

        assert seen == {item["id"]: item["updated_at"] for item in fake.tenant.work_items.values()}
