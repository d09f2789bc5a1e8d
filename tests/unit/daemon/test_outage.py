from __future__ import annotations

import structlog

from syncd.daemon.outage import Outage
from syncd.errors import StoreError


def test_an_outage_is_told_once_and_its_end_once() -> None:
    outage = Outage()

    with structlog.testing.capture_logs() as lines:
        outage.ended()
        outage.began(StoreError("disk full"))
        outage.began(StoreError("disk full"))
        outage.ended()
        outage.ended()
        outage.began(StoreError("locked"))

    assert [line["event"] for line in lines] == ["database down", "database back", "database down"]
