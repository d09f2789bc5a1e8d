"""The message that a payload becomes: headers, parts, threads; and that no outside text can break out of its place."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.email.config import Desk, EmailConfig, desk_of
from connectors.email.fake import Fake
from connectors.email.message import Mail, compose
from syncd.sdk import Command, RejectedError

NOW = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)
KEY = "acme/portal/2026-W10/wang@acme.example/zh-CN"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
HEADERS = [
    "Auto-Submitted",
    "Content-Transfer-Encoding",
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


def desk(**config: Any) -> Desk:
    values = {"smtp": "smtps://mail.example", "from": "项目周报 <reports@agency.example>", **config}
    return desk_of(EmailConfig.model_validate(values), "mail")


def command(*, key: str = KEY, target: str | None = "wang@acme.example", **payload: Any) -> Command:
    values = {"to": {"name": "王经理"}, "subject": "第 10 周", "text": "完成 12 项。\n", **payload}
    return Command("send_mail", key, values, target)


def mail(desk_: Desk | None = None, **payload: Any) -> Mail:
    return compose(command(**payload), desk_ or desk(), NOW)


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


def text_of(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


def encoded(data: bytes) -> str:
    return b64encode(data).decode("ascii")


# -- headers --------------------------------------------------------------------------------------------------


def test_headers_of_a_digest() -> None:
    message = parsed(mail())

    assert sorted(message.keys()) == HEADERS
    assert message["From"] == "项目周报 <reports@agency.example>"
    assert message["To"] == "王经理 <wang@acme.example>"
    assert message["Subject"] == "第 10 周"
    assert message["Date"] == "Fri, 06 Mar 2026 08:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Precedence"] == "bulk"
    assert message["List-Id"] == "<digests.agency.example>"


def test_message_id_follows_from_the_key_alone() -> None:
    first, again, other = mail(), mail(subject="anders", text="x"), mail(key="another")

    assert re.fullmatch(r"<syncd\.[0-9a-f]{32}@agency\.example>", first.message_id)
    assert first.message_id == again.message_id != other.message_id
    assert parsed(first)["Message-ID"] == first.message_id
    assert mail(desk(message_id_domain="mail.agency.example"), key="k").message_id == (
        "<syncd.8254c329a92850f6d539dd376f4816ee@mail.agency.example>"
    )


def test_person_who_sends_shows_by_name_and_gets_the_replies() -> None:
    message = parsed(mail(sender={"name": "张伟", "email": "zhang@agency.example"}))

    assert message["From"] == "张伟 <reports@agency.example>"
    assert message["Reply-To"] == "张伟 <zhang@agency.example>"


def test_replies_and_bounces_go_where_the_configuration_says() -> None:
    sent = mail(desk(reply_to="Team <team@agency.example>", bounces_to="bounces@agency.example"))

    assert parsed(sent)["Reply-To"] == "Team <team@agency.example>"
    assert sent.sender.address == "bounces@agency.example"


def test_empty_sender_and_thread_are_as_if_absent() -> None:
    message = parsed(mail(sender=None, thread={"root": None, "parent": None}, html=None, images=None))

    assert sorted(message.keys()) == HEADERS


def test_long_subject_folds_into_short_encoded_words_and_comes_back() -> None:
    subject = "[Lighthouse] 第 10 周：" + "本周完成十二项任务，一项有风险，两项等待客户确认；" * 8 + "😀"

    sent = mail(subject=subject)

    head = sent.content.split(b"\r\n\r\n")[0]
    assert parsed(sent)["Subject"] == subject
    assert max(len(word) for word in re.findall(rb"=\?\S+\?=", head)) <= 60
    assert max(len(line) for line in head.split(b"\r\n")) <= 76


def test_plain_subject_stays_readable() -> None:
    assert b"\r\nSubject: [Lighthouse] W10: 72 % done, 1 at risk\r\n" in (
        mail(subject="[Lighthouse] W10: 72 % done,  1 at risk").content
    )


@pytest.mark.parametrize("name", ['Wang, "Boss" <x@evil.example>', "a@b.example, c@d.example", "(x)", "=?utf-8?q?x?="])
def test_display_name_with_special_characters_is_one_name(name: str) -> None:
    message = parsed(mail(to={"name": name}))

    assert [address.addr_spec for address in message["To"].addresses] == ["wang@acme.example"]
    assert message["To"].addresses[0].display_name == name


# -- threads --------------------------------------------------------------------------------------------------


def test_reply_refers_to_root_and_parent() -> None:
    root, parent = "<root@agency.example>", "<syncd.0123456789abcdef@agency.example>"

    message = parsed(mail(thread={"root": root, "parent": parent}))

    assert message["In-Reply-To"] == parent
    assert message["References"] == f"{root} {parent}"


def test_thread_may_be_named_by_earlier_keys() -> None:
    earlier = mail(key="week 9")

    message = parsed(mail(thread={"root": "week 9", "parent": "week 9"}))

    assert message["In-Reply-To"] == message["References"] == earlier.message_id


def test_first_message_of_a_thread_names_it_and_answers_nothing() -> None:
    message = parsed(mail(thread={"root": "acme/portal/2026-Q1", "parent": None}))

    assert message["In-Reply-To"] is None
    assert message["References"] == "<syncd.a16c4bba5d8c1fd148df4f31a2010f5a@agency.example>"


def test_message_does_not_answer_itself() -> None:
    message = parsed(mail(thread={"root": KEY, "parent": mail().message_id}))

    assert (message["In-Reply-To"], message["References"]) == (None, None)


def test_long_references_are_never_re_encoded() -> None:
    root = f"<{'r' * 200}@agency.example>"

    content = mail(thread={"root": root, "parent": f"<{'p' * 200}@agency.example>"}).content

    assert b"References: " + root.encode() + b"\r\n <ppp" in content


def test_something_that_is_no_message_id_is_rejected() -> None:
    with pytest.raises(RejectedError, match="is not a Message-ID"):
        mail(thread={"root": "<a b@c>", "parent": None})


# -- parts ----------------------------------------------------------------------------------------------------


def test_tree_of_a_full_digest() -> None:
    message = parsed(
        mail(
            html='<p>完成</p><img src="cid:chart1@syncd" alt="图">',
            images={"chart1@syncd": encoded(PNG)},
            attachments=[{"filename": "周报.pdf", "type": "application/pdf", "content": encoded(b"%PDF-1.7 x")}],
        )
    )

    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    related, image, file = (list(message.walk())[index] for index in (3, 5, 6))
    assert related.get_param("type") == "text/html"
    assert (image["Content-ID"], image.get_content_disposition()) == ("<chart1@syncd>", "inline")
    assert image.get_content() == PNG
    assert (file.get_filename(), file.get_content()) == ("周报.pdf", b"%PDF-1.7 x")


def test_text_alone_is_one_part() -> None:
    message = parsed(mail(text="完成 12 项。\n"))

    assert message.get_content_type() == "text/plain"
    assert text_of(message) == "完成 12 项。\n"


@pytest.mark.parametrize(
    "text",
    [
        "长" * 100_000,
        "x" * 100_000,
        "a\rb\nc\r\nd",
        ".\n..\n.x\n",
        "From x\n",
        "trailing \n\ttab\t\n",
        "\x00\x1b",
        "😀\n",
    ],
)
def test_any_body_travels_in_short_seven_bit_lines(text: str) -> None:
    sent = mail(text=text)

    assert sent.content.isascii()
    assert max(len(line) for line in sent.content.split(b"\r\n")) <= 998
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", sent.content) is None
    assert text_of(parsed(sent)).rstrip("\n") == re.sub(r"\r\n|\r", "\n", text).rstrip("\n")


def test_unsubscribe_headers_only_when_asked_for() -> None:
    url = "https://syncd.agency.example/u/" + "t" * 300

    message = parsed(mail(unsubscribe={"url": url, "one_click": True}))

    assert message["List-Unsubscribe"] == f"<{url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"subject": ""}, "payload.subject"),
        ({"text": ""}, "payload.text"),
        ({"bcc": "x@evil.example"}, "payload.bcc: Extra inputs"),
        ({"to": {"email": "li@acme.example"}}, "payload.to.email is not the address that the command is aimed at"),
        ({"images": {"c": encoded(PNG)}}, "payload.images"),
        ({"html": "<p>", "images": {"c": encoded(b"<svg/>")}}, "payload.images.c: is not a PNG, JPEG or GIF"),
        ({"html": "<p>", "images": {"c>\n": encoded(PNG)}}, "payload.images"),
        ({"html": "<p>", "images": {"c": "not base64"}}, "payload.images.c"),
        ({"attachments": [{"filename": "../x", "content": ""}]}, "payload.attachments.0.filename"),
        ({"attachments": [{"filename": "x", "type": "message/rfc822", "content": ""}]}, "payload.attachments.0.type"),
        ({"unsubscribe": {"url": "http://a.example/u"}}, "payload.unsubscribe.url"),
        ({"unsubscribe": {"url": "https://a.example/u>, <mailto:x"}}, "payload.unsubscribe.url"),
        ({"text": "\ud800"}, "payload.text"),
    ],
)
def test_payload_that_cannot_be_sent_is_rejected_by_name(payload: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RejectedError, match=re.escape(complaint)):
        mail(**payload)


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "wang",
        "wang@acme",
        "@acme.example",
        "wang@acme.example, li@acme.example",
        "wang@acme.example;li@acme.example",
        "<wang@acme.example> NOTIFY=NEVER",
        "wang @acme.example",
        "wang@acme..example",
        "wang@[127.0.0.1]",
        "wang@acme.example\r\nRCPT TO:<x@evil.example>",
        '"wang"@acme.example',
        "w" * 65 + "@acme.example",
        "wang@straße.example",
        "王 @acme.example",
        "王\u2028@acme.example",
    ],
)
def test_target_that_is_not_one_address_is_rejected(target: str | None) -> None:
    with pytest.raises(RejectedError):
        compose(command(target=target), desk(), NOW)


def test_international_domain_goes_out_in_ascii() -> None:
    sent = mail(target="wang@例子.公司", to={"name": "王", "email": "wang@例子.公司"})

    assert sent.recipient.address == "wang@xn--fsqu00a.xn--55qx5d"
    assert sent.needs_utf8 is False
    assert parsed(sent)["To"] == "王 <wang@xn--fsqu00a.xn--55qx5d>"


def test_international_local_part_needs_the_servers_consent() -> None:
    sent = mail(target="王@acme.example")

    assert sent.needs_utf8 is True
    assert "To: =?utf-8?b?546L57uP55CG?= <王@acme.example>\r\n".encode() in sent.content


def test_same_key_twice_is_two_messages_with_one_id(mail_command: Callable[..., Command], email_for: Any) -> None:
    with Fake() as fake:
        first = email_for(fake).write(mail_command())
        second = email_for(fake).write(replace(mail_command(), payload={**mail_command().payload, "text": "again"}))

    assert first.remote_id == second.remote_id
    assert [sent.message["Message-ID"] for sent in fake.messages] == [first.remote_id, first.remote_id]
