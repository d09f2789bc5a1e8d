"""Whatever a vendor's text holds, it adds no header, no recipient and no message."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.email.config import EmailConfig, desk_of
from connectors.email.fake import Fake
from connectors.email.message import Mail, compose
from syncd.sdk import Command, RejectedError

NOW = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)
DESK = desk_of(EmailConfig.model_validate({"smtp": "smtps://mail.example", "from": "reports@agency.example"}), "mail")
HEADERS = [
    "Auto-Submitted",
    "Content-Type",
    "Date",
    "From",
    "List-Id",
    "MIME-Version",
    "Message-ID",
    "Precedence",
    "Subject",
    "To",
    "X-Auto-Response-Suppress",
]
BREAKS = (
    "\r\n",
    "\n",
    "\r",
    "\n\n",
    "\r\n ",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x00",
)
LOADS = (
    "Bcc: x@evil.example",
    "Cc: x@evil.example",
    "To: x@evil.example",
    "From: x@evil.example",
    "RCPT TO:<x@evil.example>",
    ".\r\nMAIL FROM:<x@evil.example>",
    "\r\n<html>evil</html>",
    "Content-Type: text/html",
    "X-Evil: 1",
    "List-Unsubscribe: <https://evil.example/>",
)
FIELDS: tuple[Callable[[str], dict[str, Any]], ...] = (
    lambda evil: {"subject": evil},
    lambda evil: {"to": {"name": evil}},
    lambda evil: {"to": {"email": f"wang@acme.example{evil}"}},
    lambda evil: {"sender": {"name": evil}},
    lambda evil: {"sender": {"email": f"zhang@agency.example{evil}"}},
    lambda evil: {"thread": {"root": f"<a@b.example>{evil}"}},
    lambda evil: {"thread": {"parent": evil}},
    lambda evil: {"attachments": [{"filename": evil, "content": ""}]},
)
INJECTIONS = [
    field(f"周报{line_break}{load}") for field in FIELDS for line_break in BREAKS for load in LOADS
]  # 1,120 payloads


def test_no_line_break_gets_into_a_header() -> None:
    accepted = [payload for payload in INJECTIONS if not is_rejected(payload)]

    assert len(INJECTIONS) == 1120
    assert accepted == []


def mail(**payload: Any) -> Mail:
    values = {"to": {"name": "王经理"}, "subject": "第 10 周", "text": "完成 12 项。\n", **payload}
    return compose(Command("send_mail", "key", values, "wang@acme.example"), DESK, NOW)


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


def text_of(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


def is_rejected(payload: dict[str, Any]) -> bool:
    try:
        mail(**payload)
    except RejectedError:
        return True
    return False


TEXT = st.text(max_size=80) | st.text('王,;:<>@()"\\=?. _-a\t', max_size=60)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=TEXT, name=TEXT, sender=TEXT, filename=TEXT)
def test_whatever_is_accepted_adds_no_header_and_no_recipient(
    subject: str, name: str, sender: str, filename: str
) -> None:
    payload = {
        "subject": subject,
        "to": {"name": name},
        "sender": {"name": sender},
        "attachments": [{"filename": filename, "content": b64encode(b"x").decode()}],
    }
    if is_rejected(payload):
        return

    message = parsed(mail(**payload))

    assert sorted(message.keys()) == HEADERS
    assert [address.addr_spec for address in message["To"].addresses] == ["wang@acme.example"]
    assert [address.addr_spec for address in message["From"].addresses] == ["reports@agency.example"]
    assert message["Subject"] == " ".join(subject.split())
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "application/octet-stream"]


def test_body_cannot_end_the_message_early(mail_command: Callable[..., Command], email_for: Any) -> None:
    smuggled = "a\r\n.\r\nMAIL FROM:<x@evil.example>\r\nRCPT TO:<y@evil.example>\r\nDATA\r\nevil\n.\n\r.\r.\n"

    with Fake() as fake:
        email_for(fake).write(mail_command(text=smuggled))

    assert [sent.recipients for sent in fake.messages] == [("wang@acme.example",)]
    assert text_of(fake.messages[0].message) == (
        "a\n.\nMAIL FROM:<x@evil.example>\nRCPT TO:<y@evil.example>\nDATA\nevil\n.\n\n.\n.\n"
    )
