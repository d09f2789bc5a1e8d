"""The commands that need no vendor: connectors, schema, status, parked, db, plan."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncd.cli import output

Syncd = Callable[..., Any]


def test_connectors_lists_what_is_installed(syncd: Syncd) -> None:
    text, document = syncd("connectors"), syncd("connectors", "--json").document

    assert {"email", "github", "pingcode", "zoho_crm"} <= {one["name"] for one in document}
    assert all(one["name"] in text.out for one in document)
    email = next(one for one in document if one["name"] == "email")
    assert email["operations"] == [{"name": "send_mail", "delivery": "blind", "max_bytes": None}]


def test_explain_shows_field_by_field_where_an_entity_comes_from(syncd: Syncd) -> None:
    said = syncd("connectors", "explain", "github", "milestones")
    document = syncd("connectors", "explain", "github", "milestones", "--json").document

    assert said.code == 0
    assert "github.yaml" in said.out
    rows = {row["field"]: row for row in document["streams"]["milestones"]}
    assert rows["due_date"]["entity"] == "Milestone"
    assert rows["due_date"]["from"] == "due_on"
    assert rows["name"]["required"] is True


def test_explain_uses_the_mapping_that_is_in_force(syncd: Syncd, configured: Path) -> None:
    mine = configured.parent / "mappings"
    mine.mkdir()
    (mine / "github.yaml").write_text(
        "version: 1\nconnector: github\npull:\n  - stream: repositories\n    entity: Project\n"
        "    fields: {name: {from: full_name, required: true}}\n",
        "utf-8",
    )

    document = syncd("connectors", "explain", "github", "--json", "-c", str(configured)).document

    assert document["mapping"] == str(mine / "github.yaml")
    assert list(document["streams"]) == ["repositories"]


def test_schema_prints_or_writes_a_json_schema_per_file(syncd: Syncd, tmp_path: Path) -> None:
    document = syncd("schema").document
    written = syncd("schema", "--out", str(tmp_path / "schemas"), "--json").document["written"]

    assert "mapping" in document
    assert [Path(path).name for path in written] == ["syncd.schema.json", "accounts.schema.json", "mapping.schema.json"]
    for path in written:
        assert "properties" in json.loads(Path(path).read_text("utf-8"))


def test_status_of_a_fresh_configuration_is_calm(syncd: Syncd, configured: Path) -> None:
    said = syncd("status", "-c", str(configured))
    document = syncd("status", "--json", "-c", str(configured)).document

    assert said.code == 0
    assert "sends only" in said.out
    assert document["last_run"] is None
    assert (document["parked"], document["outbox"]) == (0, {})


def test_nothing_parked_is_said_so(syncd: Syncd, configured: Path) -> None:
    assert syncd("parked", "list", "-c", str(configured)).out == "nothing is parked\n"
    assert syncd("parked", "list", "--json", "-c", str(configured)).document == []
    assert syncd("parked", "retry", "--json", "-c", str(configured)).document == {
        "settled": True,
        "message": "0 stored, 0 parked still",
    }


def test_a_plan_without_clients_is_empty(syncd: Syncd, configured: Path) -> None:
    document = syncd("plan", "--json", "-c", str(configured)).document

    assert (document["writes"], document["not_sent"]) == ([], [])


def test_run_without_clients_says_what_is_missing(syncd: Syncd, configured: Path) -> None:
    said = syncd("run", "-c", str(configured))

    assert said.code == 2
    assert "there is no client yet; run `syncd init`" in said.err


def test_a_backup_is_a_whole_database(syncd: Syncd, configured: Path, tmp_path: Path) -> None:
    syncd("db", "upgrade", "-c", str(configured))
    copy = tmp_path / "copy.db"

    said = syncd("db", "backup", str(copy), "--json", "-c", str(configured))
    again = syncd("db", "backup", str(copy), "-c", str(configured))

    assert said.document["bytes"] == copy.stat().st_size
    assert f"{copy.stat().st_mode & 0o777:o}" == "600"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert again.code == 2
    assert "is there already; name another file" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("db", "upgrade"), 0, "the database is at revision"),
        (("db", "audit"), 0, "the audit trail is whole"),
        (("db", "forget-grant", "crm"), 0, "no grant of 'crm' is stored"),
        (("db", "rename", "old", "new"), 2, "the database knows no connection 'old'; nothing was renamed"),
    ],
)
def test_the_database_is_looked_after(
    syncd: Syncd, configured: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    said = syncd(*arguments, "-c", str(configured))

    assert said.code == code
    assert says in said.out + said.err


def test_a_changed_audit_trail_is_found(syncd: Syncd, configured: Path) -> None:
    syncd("db", "upgrade", "-c", str(configured))
    with closing(sqlite3.connect(configured.parent / "data" / "syncd.db")) as connection:
        connection.execute(
            "INSERT INTO audit (at, actor, action, subject, detail, previous_hash, hash)"
            " VALUES ('2026-03-02 09:00:00.000000', 'x', 'send', 'y', '{}', '0', '1')"
        )
        connection.commit()

    said = syncd("db", "audit", "-c", str(configured))

    assert said.code == 1
    assert "entry 1 does not fit the chain" in said.out


@pytest.mark.parametrize(("number", "said"), [(0, "0 writes"), (1, "1 write"), (1200, "1,200 writes")])
def test_a_count_has_its_plural(number: int, said: str) -> None:
    assert output.count(number, "write") == said


def test_a_plan_of_nothing_has_no_writes(syncd: Syncd, configured: Path) -> None:
    assert syncd("plan", "-c", str(configured)).out.startswith("0 writes, plan ")


@pytest.mark.parametrize(("command", "said"), [("run", "last run ok "), ("pull", "last run pull: ok ")])
def test_status_tells_how_the_last_run_ended(syncd: Syncd, configured: Path, command: str, said: str) -> None:
    syncd("db", "upgrade", "-c", str(configured))
    with closing(sqlite3.connect(configured.parent / "data" / "syncd.db")) as connection:
        connection.execute(
            "INSERT INTO runs (id, command, scope, state, started_at, read, written, unchanged, skipped, parked)"
            " VALUES ('1', ?, '', 'ok', '2026-03-02 09:00:00.000000', 0, 0, 0, 0, 0)",
            (command,),
        )
        connection.commit()

    assert said in syncd("status", "-c", str(configured)).out
