"""The shipped mapping: what a digest becomes, accepted by the connector as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncd.mapping import loader
from syncd.sdk import Command

SOURCE: dict[str, Any] = {
    "subject": "[客户门户] 第 10 周",
    "preheader": "完成 72 %",
    "body_text": "完成 12 项。",
    "body_markdown": "# 第 10 周",
    "body_html": '<p>完成 12 项。<img src="cid:progress"></p>',
    "images": {"progress": "iVBORw0KGgo="},
    "locale": "zh-CN",
    "idempotency_key": "k",
    "mark": "syncd:k",
    "recipient": {"email": "wang@acme.example", "name": "王经理"},
    "thread": {"root": "acme/portal/2026-Q1"},
    "account": {"name": "Acme"},
    "project": {"name": "客户门户"},
    "record": {"number": 10, "period_start": "2026-03-02", "period_end": "2026-03-08"},
    "target": {},
}


def test_digest_becomes_a_mail_to_its_recipient() -> None:
    rule = loader.load("email", user_dir=None).push_rule("Digest")

    assert rule is not None
    assert (rule.operation, rule.target) == ("send_mail", "recipient")
    assert rule.payload({**SOURCE, "sender": {"name": "张伟", "email": "zhang@agency.example"}}) == {
        "to": {"email": "wang@acme.example", "name": "王经理"},
        "subject": "[客户门户] 第 10 周",
        "text": "完成 12 项。",
        "html": '<p>完成 12 项。<img src="cid:progress"></p>',
        "images": {"progress": "iVBORw0KGgo="},
        "sender": {"name": "张伟", "email": "zhang@agency.example"},
        "thread": {"root": "acme/portal/2026-Q1"},
    }


def test_mapped_digest_is_sent_and_answered_in_its_thread(email_for: Callable[..., Any], fake: Any) -> None:
    rule = loader.load("email", user_dir=None).push_rule("Digest")
    assert rule is not None
    email = email_for(fake)

    first = email.write(Command(rule.operation, "week 10", rule.payload(SOURCE), "wang@acme.example"))
    thread = {**SOURCE["thread"], "parent": first.remote_id}
    email.write(Command(rule.operation, "week 11", rule.payload({**SOURCE, "thread": thread}), "wang@acme.example"))

    week10, week11 = (sent.message for sent in fake.messages)
    assert week11["In-Reply-To"] == week10["Message-ID"] == first.remote_id
    assert week11["References"] == f"{week10['References']} {first.remote_id}"
