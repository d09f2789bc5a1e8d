"""What a vendor sends or refuses is told with what, where and the way out; afterwards the run completes."""

from __future__ import annotations

import pytest

from syncd.sdk.fake import Fault
from tests.integration.bad_input.agency import Agency, Outcome


def told(agency: Agency, *, code: int, says: tuple[str, ...]) -> Outcome:
    """Run, and expect this exit code and these words; nothing went out."""
    outcome = agency.on_config("run acme")
    assert outcome.code == code, outcome
    for part in says:
        assert part in outcome.out + outcome.err
    assert "Traceback" not in outcome.err
    return outcome


def completes(agency: Agency) -> None:
    """Run again: all is well and each message is there once."""
    outcome = agency.on_config("run acme")
    assert (outcome.code, agency.effects) == (0, (1, 1)), outcome
    assert "✔" in outcome.out


def test_an_unreachable_host_is_named(agency: Agency) -> None:
    agency.spoil("syncd.yaml", agency.pingcode.url, "http://127.0.0.1:9")
    told(agency, code=1, says=("cannot reach 127.0.0.1:9", "check address and network", "PingCode (pc) is never"))
    assert agency.effects == (0, 0)

    agency.write()
    completes(agency)


def test_an_unknown_host_is_named(agency: Agency) -> None:
    agency.spoil("syncd.yaml", agency.pingcode.url, "https://pingcode.invalid")
    told(agency, code=1, says=("cannot reach pingcode.invalid", "check address and network"))

    agency.write()
    completes(agency)


def test_a_refused_credential_is_told_with_its_connection(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PC_SECRET", "out-of-date-secret")
    outcome = told(agency, code=1, says=("the client credentials are refused", "connections.pc"))
    assert "out-of-date-secret" not in outcome.out + outcome.err
    assert agency.effects == (0, 0)

    monkeypatch.setenv("PC_SECRET", agency.pingcode.client_secret)
    completes(agency)


def test_a_missing_right_is_told_with_its_connection(agency: Agency) -> None:
    agency.pingcode.misbehave(Fault.FORBIDDEN, path="/search$", times=99)
    told(agency, code=1, says=("403", "check the credentials and rights of connections.pc"))
    assert agency.on_config("check pc").code == 0

    agency.pingcode.behave()
    completes(agency)


def test_a_truncated_answer_is_told_and_read_again(agency: Agency) -> None:
    agency.pingcode.misbehave(Fault.TRUNCATED, path="/search$", times=99)
    told(agency, code=1, says=("/v1/pjm/work_items/search", "JSON"))

    agency.pingcode.behave()
    completes(agency)


def test_an_unmapped_state_parks_its_record_and_names_it(agency: Agency) -> None:
    item = agency.pingcode.tenant.work_items[agency.ids["export"]]
    known = item["state"]
    agency.pingcode.tenant.update(item, state={"id": "x", "name": "外星", "type": "alien"})
    outcome = told(
        agency,
        code=1,
        says=('CP-4: state.type "alien" has no entry in mappings/pingcode.yaml', "syncd parked retry 1", "1 parked"),
    )
    assert "it knows pending, in_progress, completed, closed" in outcome.out
    assert agency.effects == (0, 0)  # more than a tenth of what is read is parked: the digest is held

    agency.pingcode.tenant.update(item, state=known)
    again = agency.on_config("run acme")
    assert (again.code, agency.effects) == (0, (1, 1)), again
    assert agency.on_config("parked list").out == "nothing is parked\n"


def test_a_date_that_is_none_parks_its_record(agency: Agency) -> None:
    item = agency.pingcode.tenant.work_items[agency.ids["export"]]
    agency.pingcode.tenant.update(item, end_at="gestern")
    told(agency, code=1, says=("CP-4", "gestern", "due_date", "mappings/pingcode.yaml"))

    agency.pingcode.tenant.update(item, end_at=None)
    assert agency.on_config("run acme").code == 0
    assert agency.on_config("parked list").out == "nothing is parked\n"


@pytest.mark.parametrize(
    "text", ["长文" * 1_250_000, "\x00 and \ud83d\ude00 \u202e".encode("utf-16", "surrogatepass").decode("utf-16")]
)
def test_a_text_of_any_size_and_kind_is_taken(agency: Agency, text: str) -> None:
    item = agency.pingcode.tenant.work_items[agency.ids["export"]]
    agency.pingcode.tenant.update(item, description=f"<p>{text}</p>", title=f"CSV {text[:30]}")

    completes(agency)
    assert max(len(mail.raw) for mail in agency.mail.messages) < 200_000


def test_a_refused_mail_is_parked_with_the_servers_words(agency: Agency) -> None:
    agency.mail.unknown_recipients.add("li@acme.example")
    told(agency, code=1, says=("mail", "li@acme.example", "parked", "550"))
    assert agency.effects == (0, 1)

    agency.mail.unknown_recipients.clear()
    assert "c1  mail send_mail to li@acme.example: parked" in " ".join(
        agency.on_config("parked list").out.split(" ", 1)
    )
    assert agency.on_config("parked retry c1").code == 0
    assert agency.on_config("run acme --only push").code == 0
    assert agency.effects == (1, 1)


def test_an_unknown_outcome_is_shown_until_a_person_settles_it(agency: Agency) -> None:
    agency.mail.misbehave(Fault.LOST_ANSWER)
    told(agency, code=1, says=("unknown", "look whether it arrived", "syncd parked retry c1"))
    assert agency.on_config("status").code == 1

    assert agency.on_config("parked skip c1 --why", "it has arrived").code == 0
    assert agency.on_config("status").code == 0
    completes(agency)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault.GONE, "410"),
        (Fault.NOT_JSON, "JSON"),
        (Fault.SERVER_ERROR, "500"),
        (Fault.RESET, "no whole answer"),
        (Fault.RATE_LIMITED, "429"),
    ],
)
def test_a_vendor_in_trouble_is_told_and_the_next_run_goes_on(agency: Agency, fault: Fault, says: str) -> None:
    agency.pingcode.misbehave(fault, path="/search$", times=99, retry_after=600.0)
    told(agency, code=1, says=(says, "search"))
    assert agency.effects == (0, 0)

    agency.pingcode.behave()
    completes(agency)


def test_a_mail_server_that_is_away_keeps_the_mail_for_later(agency: Agency) -> None:
    agency.mail.misbehave(Fault.RESET)
    told(agency, code=1, says=("mail", "pending"))
    assert agency.effects == (0, 1)

    agency.set_rows("outbox", not_before=None)
    assert agency.on_config("run acme").code == 0
    assert agency.effects == (1, 1)
