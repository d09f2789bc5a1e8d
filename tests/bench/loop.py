"""The yardstick: the least that a Python program can do to mirror a list of issues into a table.

    python -m tests.bench.loop http://127.0.0.1:8900 /tmp/loop.db [--in-flight 8]

httpx, msgspec, sqlite3: one page after the other, or several in flight; a page is a transaction. No retries, no
mapping, no second look, nothing that survives a change at the vendor.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import re
import sqlite3
from collections.abc import AsyncIterator

import httpx
import msgspec

from tests.bench.measure import Clock

PAGE = "{base}/repos/acme/app/issues?state=all&sort=updated&direction=asc&per_page=100&page={number}"
COLUMNS = "remote_id, title, body, state, author, assignees, labels, milestone, url, created_at, updated_at, closed_at"
TABLE = f"CREATE TABLE issues ({COLUMNS.replace('remote_id', 'remote_id TEXT PRIMARY KEY')}, content_hash BLOB)"
UPSERT = f"INSERT OR REPLACE INTO issues ({COLUMNS}, content_hash) VALUES ({', '.join('?' * 13)})"


class Person(msgspec.Struct):
    login: str


class Named(msgspec.Struct):
    name: str


class Titled(msgspec.Struct):
    title: str


class Issue(msgspec.Struct):
    url: str
    html_url: str
    title: str
    state: str
    user: Person
    assignees: list[Person]
    labels: list[Named]
    created_at: str
    updated_at: str
    body: str | None = None
    milestone: Titled | None = None
    closed_at: str | None = None


_decode = msgspec.json.Decoder(list[Issue]).decode


def row(issue: Issue) -> tuple[object, ...]:
    people, labels = ",".join(p.login for p in issue.assignees), ",".join(label.name for label in issue.labels)
    values = (
        issue.url, issue.title, issue.body or "", issue.state, issue.user.login, people, labels,
        issue.milestone.title if issue.milestone else "", issue.html_url, issue.created_at, issue.updated_at,
        issue.closed_at or "",
    )  # fmt: skip
    return (*values, hashlib.blake2b("\x1f".join(values).encode(), digest_size=16).digest())


async def pages(base: str, in_flight: int) -> AsyncIterator[bytes]:
    limits = httpx.Limits(max_connections=in_flight)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        number, asked = 0, []
        while True:
            while len(asked) < in_flight:
                number += 1
                asked.append(asyncio.create_task(client.get(PAGE.format(base=base, number=number))))
            answer = await asked.pop(0)
            yield answer.content
            if not re.search(r'rel="next"', answer.headers.get("link", "")):
                await asyncio.gather(*asked)
                return


async def mirror(base: str, database: sqlite3.Connection, in_flight: int) -> int:
    count = 0
    async for page in pages(base, in_flight):
        rows = [row(issue) for issue in _decode(page)]
        database.execute("BEGIN")
        database.executemany(UPSERT, rows)
        database.execute("COMMIT")
        count += len(rows)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("database")
    parser.add_argument("--in-flight", type=int, default=1)
    options = parser.parse_args()
    clock = Clock()
    database = sqlite3.connect(options.database, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(TABLE)
    count = asyncio.run(mirror(options.base, database, options.in_flight))
    database.close()
    clock.tell(records=count)


if __name__ == "__main__":
    main()
