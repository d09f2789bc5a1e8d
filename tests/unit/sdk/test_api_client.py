"""ApiClient: what is retried, what is not, and which error says what to do next."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import structlog

from syncd import log
from syncd.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    TransientError,
)
from syncd.sdk import ApiClient, BearerAuth, Budget, ConnectorContext, ErrorTable, Limits
from syncd.sdk.testing import Clock

Handler = Callable[[httpx.Request], httpx.Response]


class Vendor:
    """Answers from a list, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.clock = Clock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, *, read_only: bool = False, **options: Any) -> ApiClient:
        context = ConnectorContext(
            connection="acme",
            budget=Budget(Limits(), clock=self.clock.monotonic, wait=self.clock.wait),
            read_only=read_only,
            now=self.clock.now,
            wait=self.clock.wait,
            transport=httpx.MockTransport(self),
        )
        return ApiClient("https://vendor.test/api", context, **options)


def answer(status: int = 200, json: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        httpx.Response(status, json=json, headers=named) if json is not None else httpx.Response(status, headers=named)
    )


OK = answer(json={"id": 1})


# -- statuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "read", "keyed", "write"),
    [
        (400, ContractError, RejectedError, RejectedError),
        (401, AuthError, AuthError, AuthError),
        (403, AuthError, AuthError, AuthError),
        (404, ContractError, RejectedError, RejectedError),
        (408, TransientError, TransientError, OutcomeUnknownError),
        (409, ContractError, RejectedError, RejectedError),
        (410, ContractError, RejectedError, RejectedError),
        (413, ContractError, RejectedError, RejectedError),
        (422, ContractError, RejectedError, RejectedError),
        (425, TransientError, TransientError, OutcomeUnknownError),
        (429, RateLimitedError, RateLimitedError, RateLimitedError),
        (500, TransientError, TransientError, OutcomeUnknownError),
        (501, TransientError, TransientError, OutcomeUnknownError),
        (502, TransientError, TransientError, OutcomeUnknownError),
        (503, TransientError, TransientError, OutcomeUnknownError),
        (504, TransientError, TransientError, OutcomeUnknownError),
        (599, TransientError, TransientError, OutcomeUnknownError),
    ],
)
def test_status_says_what_to_do_next(
    status: int, read: type[Exception], keyed: type[Exception], write: type[Exception]
) -> None:
    def kind(call: Callable[[ApiClient], object]) -> type[Exception]:
        with pytest.raises(ConnectorError) as caught:
            call(Vendor(answer(status)).client(attempts=2))
        assert caught.value.status == status
        return type(caught.value)

    assert kind(lambda api: api.get("/x")) is read
    assert kind(lambda api: api.search("/x", {})) is read
    assert kind(lambda api: api.post("/x", {}, idempotent=True)) is keyed
    assert kind(lambda api: api.post("/x", {})) is write


def test_error_names_method_place_status_and_the_vendors_words() -> None:
    table = ErrorTable(code_of=lambda body: body["code"], message_of=lambda body: body["text"])
    vendor = Vendor(answer(404, {"code": 17, "text": "no such\nproject"}))

    with pytest.raises(ContractError) as caught:
        vendor.client(errors=table).get("/projects/9", {"token": "geheim"})

    assert str(caught.value) == "GET vendor.test/api/projects/9: 404 code 17: no such project"
    assert (caught.value.status, caught.value.code) == (404, "17")


def test_auth_error_names_the_connection() -> None:
    with pytest.raises(AuthError, match=r"check the credentials and rights of connections\.acme"):
        Vendor(answer(401)).client().get("/x")


def test_endless_message_of_the_vendor_is_cut() -> None:
    table = ErrorTable(message_of=lambda body: body["text"])

    with pytest.raises(RejectedError) as caught:
        Vendor(answer(400, {"text": "a" * 5_000_000})).client(errors=table).post("/x", {})

    assert len(str(caught.value)) < 400


def test_secret_that_the_vendor_repeats_is_masked() -> None:
    table = ErrorTable(message_of=lambda body: body["text"])
    vendor = Vendor(answer(400, {"text": "bad token canary-7f3a99 in request"}))

    with pytest.raises(RejectedError) as caught:
        vendor.client(errors=table, auth=BearerAuth("canary-7f3a99")).post("/x", {})

    assert "canary-7f3a99" not in str(caught.value)
    assert "bad token *** in request" in str(caught.value)


# -- the connector's table ------------------------------------------------------------------------------------


def test_code_wins_over_class_of_answer_and_status() -> None:
    table = ErrorTable(
        codes={"LIMIT": RateLimitedError},
        code_of=lambda body: body["code"],
        status_of=lambda reply: AuthError,
    )

    with pytest.raises(RateLimitedError):
        Vendor(answer(403, {"code": "LIMIT"})).client(errors=table, attempts=1).get("/x")
    with pytest.raises(AuthError):
        Vendor(answer(422, {"code": "OTHER"})).client(errors=table, attempts=1).get("/x")


def test_error_in_a_200_is_an_error() -> None:
    table = ErrorTable(
        codes={"20016": AuthError}, code_of=lambda body: body["code"], has_failed=lambda body: body["code"] != 0
    )

    with pytest.raises(AuthError, match="code 20016"):
        Vendor(answer(200, {"code": 20016})).client(errors=table).get("/x")
    assert Vendor(answer(200, {"code": 0})).client(errors=table).get("/x").json == {"code": 0}


def test_failed_200_is_seen_without_a_table_of_codes() -> None:
    table = ErrorTable(has_failed=lambda body: not body["ok"])

    with pytest.raises(ContractError):
        Vendor(answer(200, {"ok": False})).client(errors=table).get("/x")


@pytest.mark.parametrize("body", [[], "text", 7, {"other": 1}])
def test_success_that_the_table_cannot_read_is_a_contract_error(body: Any) -> None:
    table = ErrorTable(has_failed=lambda body: body["code"] != 0)

    with pytest.raises(ContractError, match="documented shape"):
        Vendor(answer(200, body)).client(errors=table).get("/x")


@pytest.mark.parametrize("status", [200, 201, 204, 304])
def test_answer_without_a_body_is_no_error_of_the_table(status: int) -> None:
    table = ErrorTable(has_failed=lambda body: body["code"] != 0)

    assert Vendor(answer(status)).client(errors=table).get("/x").status == status


@pytest.mark.parametrize("content", [b"<html>502</html>", b"[]", b'"text"', b"null", b""])
def test_error_page_of_a_proxy_still_gives_the_status(content: bytes) -> None:
    table = ErrorTable(code_of=lambda body: body["code"], message_of=lambda body: body["text"]["inner"])

    with pytest.raises(TransientError, match="502: no message"):
        Vendor(httpx.Response(502, content=content)).client(errors=table, attempts=1).get("/x")


def test_passing_code_in_a_5xx_does_not_make_a_write_repeatable() -> None:
    table = ErrorTable(codes={"INTERNAL": TransientError}, code_of=lambda body: body["code"])

    with pytest.raises(OutcomeUnknownError):
        Vendor(answer(500, {"code": "INTERNAL"})).client(errors=table).post("/x", {})


# -- retries --------------------------------------------------------------------------------------------------


def test_read_is_tried_again_with_growing_pauses() -> None:
    vendor = Vendor(answer(500), answer(502), answer(503), OK)

    assert vendor.client().get("/x").json == {"id": 1}
    assert len(vendor.asked) == 4
    assert [low <= wait <= low + 1.0 for low, wait in zip((0.5, 1.0, 2.0), vendor.clock.waits, strict=True)] == [
        True
    ] * 3


def test_read_gives_up_after_bounded_tries() -> None:
    vendor = Vendor(answer(500))

    with pytest.raises(TransientError):
        vendor.client(attempts=5).get("/x")

    assert len(vendor.asked) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_refusal_is_not_tried_again(status: int) -> None:
    vendor = Vendor(answer(status))

    with pytest.raises(ConnectorError):
        vendor.client().get("/x")

    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_write_is_sent_once(status: int) -> None:
    vendor = Vendor(answer(status))

    with pytest.raises((OutcomeUnknownError, RateLimitedError)):
        vendor.client().post("/x", {})

    assert len(vendor.asked) == 1


def test_keyed_write_is_tried_again() -> None:
    vendor = Vendor(answer(500), OK)

    vendor.client().post("/x", {"a": 1}, idempotent=True)

    assert [request.content for request in vendor.asked] == [b'{"a":1}', b'{"a":1}']


# -- rate limits ----------------------------------------------------------------------------------------------


def test_retry_after_is_waited_by_everyone() -> None:
    vendor = Vendor(answer(429, retry_after="7"), OK)

    vendor.client().get("/x")

    assert 7.0 <= vendor.clock.monotonic() <= 7.6


def test_503_with_a_time_is_waited_like_a_rate_limit() -> None:
    vendor = Vendor(answer(503, retry_after="20"), OK)

    vendor.client().get("/x")

    assert 20.0 <= vendor.clock.monotonic() <= 20.6


def test_wait_in_a_foreign_header_is_read_by_the_table() -> None:
    table = ErrorTable(retry_after_of=lambda reply: float(reply.headers["x-reset-in"]))
    vendor = Vendor(answer(429, x_reset_in="9"), OK)

    vendor.client(errors=table).get("/x")

    assert 9.0 <= vendor.clock.monotonic() <= 9.6


def test_silent_429_doubles_the_pause_for_everyone() -> None:
    vendor = Vendor(answer(429), answer(429), OK)

    vendor.client().get("/x")

    assert 15.0 <= vendor.clock.monotonic() <= 19.0


def test_retry_after_zero_does_not_hammer() -> None:
    vendor = Vendor(answer(429, retry_after="0"), OK)

    vendor.client().get("/x")

    assert vendor.clock.monotonic() >= 0.5


def test_long_wait_is_handed_back_instead_of_slept() -> None:
    vendor = Vendor(answer(429, retry_after="3600"))
    api = vendor.client()

    with pytest.raises(RateLimitedError) as first:
        api.get("/x")
    with pytest.raises(RateLimitedError, match="not sent") as second:
        api.get("/y")

    assert first.value.retry_after == 3600.0
    assert 3599.0 <= (second.value.retry_after or 0) <= 3601.0
    assert len(vendor.asked) == 1
    assert sum(vendor.clock.waits) == 0.0


def test_rate_limited_write_says_how_long() -> None:
    with pytest.raises(RateLimitedError) as caught:
        Vendor(answer(429)).client().post("/x", {})

    assert caught.value.retry_after == 5.0


# -- lost answers ---------------------------------------------------------------------------------------------

REQUEST = httpx.Request("POST", "https://vendor.test/api/x")


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ReadTimeout("slow", request=REQUEST),
        httpx.ReadError("reset", request=REQUEST),
        httpx.WriteError("pipe", request=REQUEST),
        httpx.WriteTimeout("slow", request=REQUEST),
        httpx.RemoteProtocolError("gone", request=REQUEST),
        httpx.DecodingError("bad gzip", request=REQUEST),
        httpx.ReadError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_lost_answer_to_a_write_is_unknown(lost: httpx.RequestError) -> None:
    vendor = Vendor(lost)

    with pytest.raises(OutcomeUnknownError, match=r"POST vendor\.test/api/x: sent, but the answer was lost"):
        vendor.client().post("/x", {})

    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")]
)
def test_write_that_never_left_may_be_tried_again_later(error: httpx.RequestError) -> None:
    with pytest.raises(TransientError, match=r"cannot reach vendor\.test"):
        Vendor(error).client().post("/x", {})


def test_lost_answer_to_a_read_is_tried_again() -> None:
    vendor = Vendor(httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("gone"), OK)

    assert vendor.client().get("/x").json == {"id": 1}


def test_header_that_cannot_be_sent_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"connections\.acme"):
        Vendor(httpx.LocalProtocolError("illegal header value")).client().get("/x")


def test_unreadable_2xx_to_a_keyed_write_is_tried_again() -> None:
    vendor = Vendor(httpx.Response(200, content=b"{"), OK)

    assert vendor.client().post("/x", {}, idempotent=True).json == {"id": 1}


def test_answer_that_is_no_json_passes_when_raw_is_asked_for() -> None:
    assert Vendor(httpx.Response(200, content=b"<csv>")).client().get("/x", raw=True).content == b"<csv>"


# -- size -----------------------------------------------------------------------------------------------------


def test_answer_over_the_cap_is_a_contract_error() -> None:
    with pytest.raises(ContractError, match="over 1,000 bytes; ask for smaller pages"):
        Vendor(httpx.Response(200, content=b"1" * 1001)).client(max_bytes=1000).get("/x")


def test_answer_of_just_the_cap_passes() -> None:
    assert Vendor(httpx.Response(200, content=b"1" * 15)).client(max_bytes=15).get("/x").json == 111111111111111


def test_answer_over_the_cap_to_a_write_is_unknown() -> None:
    with pytest.raises(OutcomeUnknownError, match="may have taken effect"):
        Vendor(httpx.Response(201, content=b"1" * 1001)).client(max_bytes=1000).post("/x", {})


# -- addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "params", "url"),
    [
        ("/x", None, "https://vendor.test/api/x"),
        ("x", {}, "https://vendor.test/api/x"),
        ("/x", {"a": 1, "b": None, "c": True}, "https://vendor.test/api/x?a=1&c=true"),
        ("/x?page=2", {"a": "ü"}, "https://vendor.test/api/x?page=2&a=%C3%BC"),
        ("https://vendor.test/api/x?page=2", {"a": 1}, "https://vendor.test/api/x?page=2&a=1"),
        ("https://VENDOR.test:443/other", None, "https://vendor.test/other"),
        ("//evil.test/x", None, "https://vendor.test/api/evil.test/x"),
    ],
)
def test_path_becomes_an_address(path: str, params: dict[str, Any] | None, url: str) -> None:
    vendor = Vendor(OK)

    vendor.client().get(path, params)

    assert str(vendor.asked[0].url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/x",
        "http://vendor.test/api/x",
        "https://vendor.test:8443/api/x",
        "https://vendor.test@evil.test/api/x",
        "https://u:p@vendor.test/api/x",
        "https://vendor.test.evil.test/api/x",
    ],
)
def test_link_to_another_host_is_not_followed(url: str) -> None:
    vendor = Vendor(OK)

    with pytest.raises(ContractError, match="not followed"):
        vendor.client().get(url)

    assert vendor.asked == []


def test_path_that_is_no_address_is_an_error_of_the_command() -> None:
    with pytest.raises(RejectedError, match="not a usable address"):
        Vendor(OK).client().post("/items/\x00/x", {})
    for path in ("/items/\x00/x", "https://[::1/x"):
        with pytest.raises(ContractError, match="not a usable address"):
            Vendor(OK).client().get(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vendor.test",
        "ftp://vendor.test",
        "https://",
        "https://user:geheim@vendor.test",
        "https://vendor.test?token=geheim",
        "https://vendor.test#geheim",
        "https://vendor.test:99999999",
        "https://ven dor.test",
        "https://[::1",
    ],
)
def test_base_address_must_be_plain(url: str) -> None:
    with pytest.raises(ConfigError, match=r"connections\.acme: the address .* is not a plain http") as caught:
        ApiClient(url, ConnectorContext(connection="acme"))

    assert "geheim" not in str(caught.value)


def test_plain_http_is_for_hosts_of_the_house() -> None:
    with pytest.raises(ConfigError, match="clear text"):
        ApiClient("http://vendor.test", ConnectorContext())


# -- requests -------------------------------------------------------------------------------------------------


def test_plan_mode_sends_no_write_but_reads() -> None:
    vendor = Vendor(OK)
    api = vendor.client(read_only=True)

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        with pytest.raises(ReadOnlyError, match="plan mode sends no write"):
            api.request(method, "/x?token=geheim", json={})
    api.get("/x")
    api.search("/x", {})

    assert [request.method for request in vendor.asked] == ["GET", "POST"]


def test_read_only_payload_is_encoded() -> None:
    vendor = Vendor(OK)

    vendor.client().post("/x", MappingProxyType({"text": "周报 🚀"}))

    assert vendor.asked[0].content == '{"text":"周报 🚀"}'.encode()
    assert vendor.asked[0].headers["content-type"] == "application/json"


def test_content_goes_out_as_it_is() -> None:
    vendor = Vendor(OK)

    vendor.client().request("POST", "/x", content=b"\x89PNG", headers={"Content-Type": "image/png"})

    assert vendor.asked[0].content == b"\x89PNG"
    assert vendor.asked[0].headers["content-type"] == "image/png"


def test_user_agent_names_us() -> None:
    vendor = Vendor(OK)

    vendor.client().get("/x")

    assert vendor.asked[0].headers["user-agent"].startswith("syncd/")


def test_end_of_an_endpoint_is_warned_of_once() -> None:
    before, lines = structlog.get_config(), StringIO()
    log.configure(stream=lines, json=True)
    api = Vendor(answer(json={}, sunset="Sat, 01 Aug 2026 00:00:00 GMT", deprecation="@1785542400")).client()

    api.get("/x")
    api.get("/y")
    structlog.configure(**before)

    (line,) = lines.getvalue().splitlines()
    assert '"connection": "acme"' in line
    assert '"url": "vendor.test/api/x"' in line
    assert '"until": "Sat, 01 Aug 2026 00:00:00 GMT"' in line
    assert '"level": "warning"' in line
