"""FakeServer: strict about what it is asked, and able to misbehave in every way that a vendor can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from syncd.sdk.fake import Answer, FakeServer, Fault, Request, route


class Acme(FakeServer):
    """One list, one write, one login."""

    public_paths = ("/login",)

    def __init__(self) -> None:
        super().__init__()
        self.made: list[object] = []

    def authorize(self, request: Request) -> Answer | None:
        return None if request.headers.get("authorization") == "Bearer good" else self.expired()

    @route("POST", "/login", changes_nothing=True)
    def login(self, request: Request) -> Answer:
        return Answer(200, {"token": request.body["user"]})

    @route("GET", r"/items/(\d+)", params=frozenset({"page"}))
    def item(self, request: Request) -> Answer:
        return Answer(200, {"id": request.groups[0], "page": request.query.get("page")}, {"X-Total": "1"})

    @route("POST", "/items", body=frozenset({"name"}))
    def make(self, request: Request) -> Answer:
        self.made.append(request.body)
        return Answer(201, {"id": len(self.made)})

    @route("POST", "/files")
    def keep(self, request: Request) -> Answer:
        return Answer(200, {"bytes": list(request.raw), "as_body": request.body == request.raw})

    @route("GET", "/broken")
    def broken(self, request: Request) -> Answer:
        raise LookupError("no such row")


@pytest.fixture
def fake() -> Iterator[Acme]:
    with Acme() as server:
        yield server


@pytest.fixture
def http(fake: Acme) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, headers={"Authorization": "Bearer good"}, trust_env=False) as client:
        yield client


def test_handler_gets_path_query_and_body(http: httpx.Client) -> None:
    reply = http.get("/items/7", params={"page": "2"})

    assert reply.json() == {"id": "7", "page": "2"}
    assert reply.headers["x-total"] == "1"


def test_form_bodies_are_decoded(fake: Acme, http: httpx.Client) -> None:
    assert http.post("/login", data={"user": "王"}).json() == {"token": "王"}


@pytest.mark.parametrize("kind", ["image/png", "application/x-www-form-urlencoded"])
def test_a_file_arrives_byte_for_byte_whatever_it_is_called(fake: Acme, http: httpx.Client, kind: str) -> None:
    reply = http.post("/files", content=b"\x89PNG", headers={"Content-Type": kind})

    assert reply.json() == {"bytes": [0x89, 0x50, 0x4E, 0x47], "as_body": True}


def test_json_in_a_file_is_still_there_as_bytes(fake: Acme, http: httpx.Client) -> None:
    reply = http.post("/files", content=b"1.0")

    assert reply.json()["bytes"] == [0x31, 0x2E, 0x30]


def test_missing_credentials_are_refused_except_on_public_paths(fake: Acme) -> None:
    assert httpx.get(f"{fake.url}/items/1", trust_env=False).status_code == 401
    assert httpx.post(f"{fake.url}/login", json={"user": "a"}, trust_env=False).status_code == 200


def test_unknown_parameter_is_refused_and_remembered(fake: Acme, http: httpx.Client) -> None:
    assert http.get("/items/1", params={"pages": "2"}).status_code == 400
    assert http.post("/items", json={"name": "a", "colour": "red"}).status_code == 400

    assert fake.refused == ["GET /items/1: pages", "POST /items: colour"]
    assert fake.made == []


def test_unknown_path_is_404(http: httpx.Client) -> None:
    assert http.get("/nothing").status_code == 404


def test_only_writes_that_succeed_are_counted(fake: Acme, http: httpx.Client) -> None:
    http.get("/items/1")
    http.post("/login", json={"user": "a"})
    http.post("/items", json={"nam": "a"})
    http.post("/items", json={"name": "a"})

    assert fake.writes == 1
    assert fake.count("/items") == 3
    assert fake.count("/items", "POST") == 2


def test_fault_of_a_handler_shows(fake: Acme, http: httpx.Client) -> None:
    assert http.get("/broken").status_code == 500

    assert fake.refused == ["GET /broken: the fake broke: LookupError('no such row')"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.RATE_LIMITED, 429),
        (Fault.RATE_LIMITED_SILENT, 429),
        (Fault.SERVER_ERROR, 500),
        (Fault.EXPIRED_TOKEN, 401),
        (Fault.FORBIDDEN, 403),
        (Fault.MOVED, 301),
        (Fault.GONE, 410),
        (Fault.NOT_FOUND, 404),
        (Fault.NOT_JSON, 200),
        (Fault.ERROR_IN_200, 500),
    ],
)
def test_fault_answers_and_does_nothing(fake: Acme, http: httpx.Client, fault: Fault, status: int) -> None:
    fake.misbehave(fault)

    assert http.post("/items", json={"name": "a"}).status_code == status
    assert fake.made == []
    assert http.post("/items", json={"name": "a"}).status_code == 201


def test_lost_answer_carries_out_and_reset_does_not(fake: Acme, http: httpx.Client) -> None:
    fake.misbehave(Fault.LOST_ANSWER)
    with pytest.raises(httpx.TransportError):
        http.post("/items", json={"name": "a"})
    made_by_lost = len(fake.made)

    fake.misbehave(Fault.RESET)
    with pytest.raises(httpx.TransportError):
        http.post("/items", json={"name": "b"})

    assert made_by_lost == 1
    assert len(fake.made) == 1


def test_truncated_answer_is_whole_http_with_half_a_body(fake: Acme, http: httpx.Client) -> None:
    fake.misbehave(Fault.TRUNCATED)

    reply = http.post("/items", json={"name": "a"})

    assert (reply.status_code, reply.text) == (201, '{"id')
    assert len(fake.made) == 1


def test_timeout_answers_late(fake: Acme, http: httpx.Client) -> None:
    fake.misbehave(Fault.TIMEOUT, seconds=0.5)

    with pytest.raises(httpx.ReadTimeout):
        http.get("/items/1", timeout=0.05)


def test_moved_page_keeps_its_query(fake: Acme, http: httpx.Client) -> None:
    fake.misbehave(Fault.MOVED)

    reply = http.get("/items/7", params={"page": "2"}, follow_redirects=True)

    assert reply.json() == {"id": "7", "page": "2"}
    assert reply.url.path == "/moved/items/7"


def test_fault_can_be_aimed(fake: Acme, http: httpx.Client) -> None:
    fake.misbehave(Fault.SERVER_ERROR, path="/items/2", method="GET", after=1, times=2)

    statuses = [http.get(f"/items/{number}").status_code for number in (1, 2, 2, 1, 2, 2)]

    assert statuses == [200, 200, 500, 200, 500, 200]


def test_behave_forgets_the_faults(fake: Acme, http: httpx.Client) -> None:
    fake.misbehave(Fault.SERVER_ERROR, times=99)

    fake.behave()

    assert http.get("/items/1").status_code == 200


def test_clock_shows_in_dates(fake: Acme, http: httpx.Client) -> None:
    fake.set_clock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    fake.advance(timedelta(minutes=1))
    fake.misbehave(Fault.RATE_LIMITED, retry_after=30, as_date=True)

    reply = http.get("/items/1")

    assert reply.headers["date"] == "Mon, 02 Mar 2026 09:01:00 GMT"
    assert reply.headers["retry-after"] == "Mon, 02 Mar 2026 09:01:30 GMT"


def test_head_has_no_body_and_the_line_stays_usable(fake: Acme, http: httpx.Client) -> None:
    assert http.head("/nothing").status_code == 404
    assert http.get("/items/1").status_code == 200


def test_stopping_cuts_open_lines(fake: Acme, http: httpx.Client) -> None:
    http.get("/items/1")

    fake.stop()

    with pytest.raises(httpx.TransportError):
        http.get("/items/1")
    with pytest.raises(RuntimeError, match="not running"):
        _ = fake.url


def test_hook_runs_before_each_answer(fake: Acme, http: httpx.Client) -> None:
    seen: list[tuple[str, int]] = []
    fake.before_each(lambda request: seen.append((request.path, len(fake.calls))))

    http.get("/items/1")
    http.get("/items/2")

    assert seen == [("/items/1", 0), ("/items/2", 1)]


def test_parallel_writes_are_all_kept(fake: Acme) -> None:
    def write() -> None:
        with httpx.Client(base_url=fake.url, headers={"Authorization": "Bearer good"}, trust_env=False) as client:
            for _ in range(10):
                client.post("/items", json={"name": "a"})

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)

    assert len(fake.made) == 60
    assert fake.writes == 60
