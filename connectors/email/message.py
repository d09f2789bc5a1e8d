"""From a command's payload to the bytes of one message: pure, no network, the same Message-ID for the same key."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import EmailMessage
from hashlib import sha256
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from connectors.email.config import Desk
from connectors.email.headers import POLICY, Mailbox, encoded, mailbox, message_id, one_header_line
from syncd.sdk import Command, RejectedError

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_IMAGES: Final = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}


def _base64(text: str) -> str:
    b64decode(text, validate=True)
    return text


def _file_name(text: str) -> str:
    if not text or re.search(r"[/\\]", text):
        raise ValueError("is not a file name")
    return text


HeaderLine = Annotated[str, AfterValidator(one_header_line)]
Base64 = Annotated[str, AfterValidator(_base64)]
ContentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{1,100}(@[A-Za-z0-9.-]{1,100})?$")]
# The library writes whole messages and multiparts differently; an attached file is neither.
MediaType = Annotated[
    str, Field(pattern=r"^(application|audio|font|image|text|video)/[A-Za-z0-9][A-Za-z0-9.+-]{0,80}$")
]
WebAddress = Annotated[str, Field(pattern=r"^https://[!-;=?-~]{4,900}$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Party(_Closed):
    """A person or mailbox."""

    email: HeaderLine | None = None
    name: HeaderLine | None = None


class Thread(_Closed):
    """What the message answers: Message-IDs, or the idempotency keys of earlier mails of the same connection."""

    root: HeaderLine | None = None
    parent: HeaderLine | None = None


class Attachment(_Closed):
    """A file: its name, its media type, its bytes as base64."""

    filename: Annotated[HeaderLine, AfterValidator(_file_name)]
    type: MediaType = "application/octet-stream"
    content: Base64


class Unsubscribe(_Closed):
    """Where a reader can unsubscribe; `one_click` promises that a POST to `url` suffices (RFC 8058)."""

    url: WebAddress
    one_click: bool = False


class Letter(_Closed):
    """The payload of `send_mail`. `images` maps a content id, as `cid:` in the HTML names it, to base64."""

    to: Party
    subject: Annotated[HeaderLine, Field(min_length=1, max_length=500)]
    text: Annotated[str, Field(min_length=1)]
    html: str | None = None
    images: dict[ContentId, Base64] | None = None
    thread: Thread | None = None
    sender: Party | None = None
    attachments: list[Attachment] | None = None
    unsubscribe: Unsubscribe | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """One message for one recipient, ready to be sent; `needs_utf8` when the server must offer SMTPUTF8."""

    message_id: str
    envelope_id: str
    sender: Mailbox
    recipient: Mailbox
    needs_utf8: bool
    content: bytes = field(repr=False)


def message_id_of(key: str, domain: str) -> str:
    """Return the Message-ID that belongs to an idempotency key: the same one however often it is asked for."""
    return f"<{_mark(key)}@{domain}>"


def compose(command: Command, desk: Desk, now: datetime) -> Mail:
    """Return the mail of a `send_mail` command, dated `now` (aware); RejectedError names the field that is wrong."""
    try:
        letter = Letter.model_validate(command.payload)
        recipient = _recipient(letter, command.target_id)
        message = _headers(letter, recipient, command.idempotency_key, desk, now)
        _fill(message, letter)
    except ValidationError as err:
        raise RejectedError(f"send_mail: {_complaint(err)}") from err
    except ValueError as err:
        raise RejectedError(f"send_mail: {err}") from err
    in_ascii = desk.bounces_to.address.isascii() and all(str(value).isascii() for value in message.values())
    content = message.as_bytes(policy=POLICY.clone(utf8=not in_ascii))
    return Mail(
        message_id=message_id_of(command.idempotency_key, desk.domain),
        envelope_id=_mark(command.idempotency_key),
        sender=desk.bounces_to,
        recipient=recipient,
        needs_utf8=not in_ascii,
        # A lone CR or LF is read as a line end by some servers and not by others: the way of SMTP smuggling.
        content=_LINE_END.sub(b"\r\n", content),
    )


def _mark(key: str) -> str:
    return f"syncd.{sha256(key.encode()).hexdigest()[:32]}"


def _complaint(err: ValidationError) -> str:
    faults = err.errors(include_input=False, include_url=False)
    return "; ".join(f"payload.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:3])


def _recipient(letter: Letter, target_id: str | None) -> Mailbox:
    if not target_id:
        raise ValueError("no target: the recipient's address")
    recipient = mailbox(target_id, letter.to.name or "")
    if letter.to.email and mailbox(letter.to.email).address.lower() != recipient.address.lower():
        raise ValueError("payload.to.email is not the address that the command is aimed at")
    return recipient


def _headers(letter: Letter, recipient: Mailbox, key: str, desk: Desk, now: datetime) -> EmailMessage:
    sender = letter.sender or Party()
    reply_to = mailbox(sender.email, sender.name or "") if sender.email else desk.reply_to
    message = EmailMessage(policy=POLICY)
    message["From"] = str(replace(desk.sender, name=sender.name or desk.sender.name))
    message["To"] = str(recipient)
    if reply_to:
        message["Reply-To"] = str(reply_to)
    message["Subject"] = encoded(letter.subject)
    message["Date"] = now
    message["Message-ID"] = message_id_of(key, desk.domain)
    _thread(message, letter.thread or Thread(), desk.domain)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Precedence"] = "bulk"
    message["List-Id"] = f"<{desk.list_id}>"
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe.url}>"
        if letter.unsubscribe.one_click:
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def _thread(message: EmailMessage, thread: Thread, domain: str) -> None:
    """Add what the message answers: In-Reply-To the parent, References the root and then the parent.

    The root may be a name for the whole thread that no message ever had, so nothing is a reply to it alone. A
    message does not refer to itself.
    """
    own = message["Message-ID"]
    named = [_referred(text, domain) for text in (thread.root, thread.parent) if text]
    if references := [found for found in dict.fromkeys(named) if found != own]:
        message["References"] = " ".join(references)
    if thread.parent and references:
        message["In-Reply-To"] = references[-1]


def _referred(text: str, domain: str) -> str:
    return message_id(text) if text.startswith("<") else message_id_of(text, domain)


def _fill(message: EmailMessage, letter: Letter) -> None:
    """Add the bodies: plain text, then HTML with its images, then files."""
    message.set_content(letter.text)
    if letter.html:
        message.add_alternative(letter.html, subtype="html")
        page = message.get_payload(1)
        if letter.images and isinstance(page, EmailMessage):
            _embed(page, letter.images)
    elif letter.images:
        raise ValueError("payload.images: images are shown by payload.html, which is missing")
    for file in letter.attachments or ():
        kind, _, subtype = file.type.partition("/")
        message.add_attachment(b64decode(file.content), maintype=kind, subtype=subtype, filename=file.filename)


def _embed(page: EmailMessage, images: dict[str, str]) -> None:
    for cid, content in images.items():
        image = b64decode(content)
        subtype = next((kind for magic, kind in _IMAGES.items() if image.startswith(magic)), None)
        if subtype is None:
            raise ValueError(f"payload.images.{cid}: is not a PNG, JPEG or GIF image")
        name = f"{cid.partition('@')[0]}.{subtype}"
        page.add_related(image, "image", subtype, cid=f"<{cid}>", filename=name, disposition="inline")
    page.set_param("type", "text/html")
