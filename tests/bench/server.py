"""A vendor that is never the bottleneck: GitHub's lists on loopback, every record rendered once.

    python -m tests.bench.server --records 100000        prints {"port": …} and serves until its input ends

Answers carry Link, ETag and rate-limit headers as GitHub's do, `since` is heeded, `If-None-Match` is answered with
304. `/counters` returns the requests per list since it was asked last.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from tests.bench import records

LISTS: Final = "/repos/acme/app"
_REASONS: Final = {200: b"OK", 304: b"Not Modified", 404: b"Not Found"}
_BUDGET: Final = b"X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4999\r\nX-RateLimit-Reset: 4102444800\r\n"


class Answer(NamedTuple):
    """What goes back: status, body, and the Link and ETag headers."""

    status: int
    body: bytes
    etag: str = ""
    link: str = ""


class Listing:
    """One list in the order of its updates; `stamps` are those updates, as text."""

    def __init__(self, rows: Sequence[bytes], stamps: Sequence[str] = ()) -> None:
        self._rows = rows
        self._stamps = stamps

    def page(self, url: str, query: dict[str, str]) -> Answer:
        """Return the page that `query` asks for, oldest change first."""
        size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
        begin = bisect_left(self._stamps, query["since"]) if "since" in query else 0
        start = begin + (number - 1) * size
        body = b"[%b]" % b",".join(self._rows[start : start + size])
        following = urlencode({**query, "page": number + 1})
        link = f'<{url}?{following}>; rel="next"' if start + size < len(self._rows) else ""
        return Answer(200, body, f'W/"{hashlib.blake2b(body, digest_size=8).hexdigest()}"', link)


class Vendor:
    """The lists by path, and how often each was asked for."""

    def __init__(self, count: int) -> None:
        stamps = [records.stamp(records.updated_at(index, count)) for index in range(count)]
        self._lists = {
            f"{LISTS}/issues": Listing([records.issue(index, count) for index in range(count)], stamps),
            f"{LISTS}/issues/comments": Listing(()),
            f"{LISTS}/milestones": Listing(_rendered(records.milestones())),
            f"{LISTS}/labels": Listing(_rendered(records.labels())),
            f"{LISTS}/assignees": Listing(_rendered(records.users())),
        }
        self._repository = msgspec.json.encode(records.repository())
        self._asked: Counter[str] = Counter()

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        """Answer one GET."""
        parts = urlsplit(target)
        if parts.path == "/counters":
            asked, self._asked = self._asked, Counter()
            return Answer(200, json.dumps(asked).encode())
        self._asked[parts.path.removeprefix(f"{LISTS}/") if parts.path != LISTS else "repository"] += 1
        if parts.path == LISTS:
            return Answer(200, self._repository)
        listing = self._lists.get(parts.path)
        if listing is None:
            return Answer(404, b'{"message":"Not Found"}')
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = listing.page(f"http://{headers['host']}{parts.path}", query)
        return found._replace(status=304, body=b"") if headers.get("if-none-match") == found.etag else found


def _rendered(rows: Sequence[object]) -> list[bytes]:
    return [msgspec.json.encode(row) for row in rows]


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests have no body."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        self._answer = answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            first, *lines = request.decode("latin-1").split("\r\n")
            named = (line.partition(": ") for line in lines)
            self._send(self._answer(first.split(" ")[1], {name.lower(): value for name, _, value in named}))

    def _send(self, answer: Answer) -> None:
        own = [f"ETag: {answer.etag}\r\n" if answer.etag else "", f"Link: {answer.link}\r\n" if answer.link else ""]
        head = b"HTTP/1.1 %d %b\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n%b%b\r\n"
        size = len(answer.body)
        self._transport.write(
            head % (answer.status, _REASONS[answer.status], size, _BUDGET, "".join(own).encode()) + answer.body
        )


async def _serve(count: int, port: int) -> None:
    loop = asyncio.get_running_loop()
    vendor = Vendor(count)
    server = await loop.create_server(lambda: Connection(vendor.answer), "127.0.0.1", port)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)  # the bench ends it by closing its input, or by dying


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    options = parser.parse_args()
    asyncio.run(_serve(options.records, options.port))


if __name__ == "__main__":
    main()
