"""The fake's own manners: it starts, stops, and starts again without leaving anything behind."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.email.fake import Fake
from syncd.sdk import Command, TransientError
from syncd.sdk.fake import Fault


def test_stop_ends_the_thread_and_open_connections() -> None:
    fake = Fake()
    fake.start()
    client = smtplib.SMTP("127.0.0.1", fake.port)

    fake.stop()
    fake.stop()

    assert [thread.name for thread in threading.enumerate() if thread.name == "smtp-fake"] == []
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
    client.close()


def test_stop_right_after_the_start_is_clean() -> None:
    for _ in range(20):
        with Fake() as fake:
            assert fake.port > 0


def test_restart_keeps_the_messages(email_for: Any, mail_command: Callable[..., Command]) -> None:
    fake = Fake()
    for key in ("first", "second"):
        with fake:
            email_for(fake).write(mail_command(key))

    assert fake.count() == fake.writes == 2
    with pytest.raises(RuntimeError, match="not running"):
        _ = fake.url


def test_message_carries_the_fakes_time(email_for: Any, mail_command: Callable[..., Command]) -> None:
    with Fake() as fake:
        fake.set_clock(datetime(2026, 1, 5, 9, tzinfo=UTC))
        fake.advance(timedelta(hours=1))
        email_for(fake).write(mail_command())

    assert fake.messages[0].received_at == datetime(2026, 1, 5, 10, tzinfo=UTC)


def test_fault_strikes_as_often_as_planned_and_can_be_forgotten(
    email_for: Any, mail_command: Callable[..., Command]
) -> None:
    with Fake() as fake:
        email = email_for(fake)
        fake.misbehave(Fault.SERVER_ERROR, after=1, times=5)
        email.write(mail_command("passes"))
        with pytest.raises(TransientError):
            email.write(mail_command("fails"))
        fake.behave()
        email.write(mail_command("passes again"))

    assert fake.count("@acme.example") == 2
    assert fake.count(method="MAIL") == 3


def test_fault_of_another_world_is_refused() -> None:
    with pytest.raises(ValueError, match="error_in_200"):
        Fake().misbehave(Fault.ERROR_IN_200)


def test_several_threads_send_at_once(email_for: Any, mail_command: Callable[..., Command]) -> None:
    with Fake() as fake:
        email = email_for(fake)
        threads = [threading.Thread(target=email.write, args=(mail_command(f"key {n}"),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len({sent.message["Message-ID"] for sent in fake.messages}) == 8
