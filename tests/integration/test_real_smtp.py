"""A digest through Postfix and back out of Dovecot: software that others wrote reads what we send.

Start it with `tests/servers/mail.sh start` and switch the tests on with `eval "$(tests/servers/mail.sh env)"`; what is
not set is where that script puts it by default.
"""

from __future__ import annotations

import imaplib
import os
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import uuid4

import pytest

from connectors.email import Email
from connectors.email.config import EmailConfig
from syncd.sdk import AddressGuard, AuthError, Command, ConnectorContext, RejectedError

pytestmark = pytest.mark.needs("SYNCD_TEST_SMTP")

NOW = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)
SUBJECT = "[客户门户] 第 10 周：完成 72 %，1 项有风险，2 项等待贵方确认 — 请于周五前回复"
TEXT = "您好，王经理：\n\n本周完成 12 项。\n.这一行以点开头\n..两个点\n" + "很长的一行" * 500 + "\n"
HTML = '<p style="color:#222">完成 <b>72 %</b></p><img src="cid:progress@syncd" alt="进度 72 %">\n'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400


@pytest.fixture
def email() -> Email:
    return email_at(os.environ["SYNCD_TEST_SMTP"])


@pytest.fixture
def inbox() -> Iterator[imaplib.IMAP4]:
    host, _, port = os.environ.get("SYNCD_TEST_IMAP", "127.0.0.1:1143").partition(":")
    inbox = imaplib.IMAP4(host, int(port), timeout=20)
    try:
        inbox.login("crm@test.invalid", os.environ["SYNCD_TEST_SMTP_PASSWORD"])
        inbox.select()
        yield inbox
    finally:
        inbox.shutdown()


def email_at(smtp: str, **config: str) -> Email:
    values = {
        "smtp": smtp,
        "password": os.environ["SYNCD_TEST_SMTP_PASSWORD"],
        "from": "项目周报 <ops@test.invalid>",
        "ca_file": os.environ.get("SYNCD_TEST_SMTP_CA", "/opt/mailtest/tls/cert.pem"),
        **config,
    }
    guard = AddressGuard(private_hosts=frozenset({"127.0.0.1"}))
    return Email(EmailConfig.model_validate(values), context=ConnectorContext(guard=guard, now=lambda: NOW))


def digest(target: str = "crm@test.invalid") -> Command:
    payload = {
        "to": {"email": target, "name": "王, 经理"},
        "subject": SUBJECT,
        "text": TEXT,
        "html": HTML,
        "images": {"progress@syncd": b64encode(PNG).decode("ascii")},
        "thread": {"root": "acme/portal/2026-Q1", "parent": "<week9@test.invalid>"},
    }
    return Command("send_mail", f"acme/portal/2026-W10/{uuid4()}", payload, target)


def received(inbox: imaplib.IMAP4, message_id: str, *, count: int = 1) -> list[EmailMessage]:
    """Return the messages with that id, waiting until there are `count` of them."""
    while len(numbers := found_numbers(inbox, message_id)) < count:
        if inbox.response("EXISTS")[1] == [None]:  # else something came during the search: look again at once
            wait_for_mail(inbox)
    found = [inbox.uid("fetch", number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]
    return [message_from_bytes(raw, policy=policy.default) for raw in found]


def found_numbers(inbox: imaplib.IMAP4, message_id: str) -> list[bytes]:
    inbox.response("EXISTS")  # forget what was told before
    numbers: list[bytes] = inbox.uid("search", "HEADER", "Message-ID", message_id)[1][0].split()
    return numbers


def wait_for_mail(inbox: imaplib.IMAP4) -> None:
    """Wait in IDLE until the server says that something has come; TimeoutError after the socket's twenty seconds."""
    inbox.send(b"idle1 IDLE\r\n")
    while b"EXISTS" not in inbox.readline():
        pass
    inbox.send(b"DONE\r\n")
    while not inbox.readline().startswith(b"idle1"):
        pass


def test_digest_arrives_as_it_was_sent(email: Email, inbox: imaplib.IMAP4) -> None:
    receipt = email.write(digest())

    (message,) = received(inbox, receipt.remote_id)
    assert message["Subject"] == SUBJECT
    assert message["From"] == "项目周报 <ops@test.invalid>"
    assert [address.addr_spec for address in message["To"].addresses] == ["crm@test.invalid"]
    assert message["To"].addresses[0].display_name == "王, 经理"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == receipt.remote_id
    assert message["In-Reply-To"] == "<week9@test.invalid>"
    assert message["References"].split()[1] == "<week9@test.invalid>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Return-Path"] == "<ops@test.invalid>"


def test_parts_and_inline_image_arrive_intact(email: Email, inbox: imaplib.IMAP4) -> None:
    receipt = email.write(digest())

    (message,) = received(inbox, receipt.remote_id)
    _, text, _, html, image = message.walk()
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    assert text.get_content().replace("\r\n", "\n") == TEXT
    assert html.get_content().replace("\r\n", "\n") == HTML
    assert (image["Content-ID"], image.get_content()) == ("<progress@syncd>", PNG)
    assert [part.defects for part in message.walk()] == [[]] * 5


def test_receipt_carries_the_servers_queue_number(email: Email) -> None:
    receipt = email.write(digest())

    assert receipt.detail.startswith("250 2.0.0 Ok: queued as ")


def test_same_key_twice_is_two_copies_with_one_message_id(email: Email, inbox: imaplib.IMAP4) -> None:
    command = digest()

    first, second = email.write(command), email.write(command)

    assert first.remote_id == second.remote_id
    assert len(received(inbox, first.remote_id, count=2)) == 2


@pytest.mark.parametrize("kind", ["smtp+starttls", "smtps"])
def test_digest_arrives_over_tls(kind: str, inbox: imaplib.IMAP4) -> None:
    address = {
        "smtp+starttls": os.environ["SYNCD_TEST_SMTP"].replace("smtp://", "smtp+starttls://"),
        "smtps": os.environ.get("SYNCD_TEST_SMTPS", "smtps://ops%40test.invalid@127.0.0.1:1465"),
    }
    email = email_at(address[kind])

    receipt = email.write(digest())

    (message,) = received(inbox, receipt.remote_id)
    assert "with ESMTPSA id" in message["Received"]
    assert email.check().notes[0] == f"connection: TLSv1.3 ({kind})"


def test_check_tells_what_the_server_takes(email: Email) -> None:
    identity = email.check()

    assert (identity.name, identity.tenant) == ("ops@test.invalid", "127.0.0.1")
    assert identity.notes[1] == "largest message: 10,240,000 bytes"
    assert "DSN" in identity.notes[2]


def test_wrong_password_is_an_auth_error() -> None:
    with pytest.raises(AuthError, match=r"535 5\.7\.8"):
        email_at(os.environ["SYNCD_TEST_SMTP"], password="not-the-password").check()


def test_unknown_recipient_is_rejected(email: Email) -> None:
    with pytest.raises(RejectedError, match=r"550 5\.1\.1 <nobody@test\.invalid>"):
        email.write(digest("nobody@test.invalid"))


def test_too_big_a_digest_is_rejected_with_both_sizes(email: Email) -> None:
    command = digest()
    file = {"filename": "plan.pdf", "content": b64encode(bytes(8_000_000)).decode("ascii")}

    with pytest.raises(RejectedError, match="the server takes 10,240,000"):
        email.write(Command("send_mail", "big", {**command.payload, "attachments": [file]}, command.target_id))
