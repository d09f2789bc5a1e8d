"""The questions asked most often are answered through an index, however full the tables are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store import communication, open_store, outbox, parked, records
from syncd.store.records import Place

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ISSUES = Place("delivery", "issues")


@pytest.mark.parametrize(
    ("ask", "plan"),
    [
        (
            lambda c: records.known(c, ISSUES, ["1", "2"]),
            "records USING INDEX sqlite_autoindex_records_1 (connection=? AND stream=? AND remote_id=?)",
        ),
        (lambda c: records.stored(c, ISSUES, after=500), "records USING INTEGER PRIMARY KEY (rowid>?)"),
        (
            lambda c: records.live_ids(c, ISSUES),
            "records USING INDEX sqlite_autoindex_records_1 (connection=? AND stream=?)",
        ),
        (lambda c: records.load_entities(c, ["1", "2"]), "entities USING INDEX sqlite_autoindex_entities_1 (id=?)"),
        (
            lambda c: records.entities_of(c, "Task", project="p"),
            "entities USING INDEX ix_entities_project_kind (project=? AND kind=?)",
        ),
        (
            lambda c: records.entities_of(c, "Contact", account="a"),
            "entities USING INDEX ix_entities_account_kind (account=? AND kind=?)",
        ),
        (
            lambda c: records.entities_of(c, "User", source="delivery"),
            "entities USING INDEX ix_entities_connection_kind_remote_id (connection=? AND kind=?)",
        ),
        (
            lambda c: records.find_entity(c, source="delivery", kinds=["Task", "Issue"], remote_id="1"),
            "entities USING INDEX ix_entities_connection_kind_remote_id (connection=? AND kind=? AND remote_id=?)",
        ),
        (lambda c: records.drop_entities(c, ISSUES, ["1"]), "entities USING INDEX sqlite_autoindex_entities_1 (id=?)"),
        (lambda c: records.changes_of(c, ["1"]), "changes USING INDEX ix_changes_entity_at (entity=?)"),
        (
            lambda c: outbox.due(c, at=NOON, source="mail"),
            "outbox USING INDEX ix_outbox_state_connection (state=? AND connection=?)",
        ),
        (lambda c: outbox.due(c, at=NOON), "outbox USING INDEX ix_outbox_state_connection (state=?)"),
        (lambda c: outbox.recover(c, at=NOON), "outbox USING INDEX ix_outbox_state_connection (state=?)"),
        (lambda c: outbox.rows(c, record="r1"), "outbox USING INDEX ix_outbox_record (record=?"),
        (
            lambda c: communication.latest(c, "acme", "Portal", "weekly"),
            "communication_records USING INDEX sqlite_autoindex_communication_records_2 (account=? AND project=?)",
        ),
        (
            lambda c: parked.settle(c, ISSUES, ["1"], at=NOON),
            "parked USING INDEX sqlite_autoindex_parked_1 (connection=? AND stream=? AND remote_id=?)",
        ),
    ],
)
def test_a_frequent_question_is_answered_through_an_index(
    tmp_path: Path, ask: Callable[[Connection], object], plan: str
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/syncd.db")
    plans: list[str] = []

    def explain(connection: Connection, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(row[3] for row in cursor.fetchall())

    sa.event.listen(store.engine, "before_cursor_execute", explain)
    with store.begin() as connection:
        ask(connection)
    store.close()

    assert plans[0].startswith(f"SEARCH {plan}")
    assert not any(step.startswith("SCAN") for step in plans)
