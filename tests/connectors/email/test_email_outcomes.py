"""What a person, the outbox and the log learn from every way in which a submission can end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from connectors.email import Email
from connectors.email.config import EmailConfig
from connectors.email.fake import Fake
from syncd.sdk import (
    AddressGuard,
    AuthError,
    Command,
    ConfigError,
    ConnectorContext,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    TransientError,
)
from syncd.sdk.fake import Fault

USER, PASSWORD = "reports@agency.example", "s3cret-mail-password"
MailCommand = Callable[..., Command]
Make = Callable[..., Email]


@pytest.mark.parametrize(
    ("step", "reply", "error"),
    [
        ("GREETING", "421 4.3.2 Service shutting down", TransientError),
        ("GREETING", "421 4.7.0 Too many connections from your host", RateLimitedError),
        ("GREETING", "554 5.7.1 No mail from your network", AuthError),
        ("GREETING", "+OK POP3 ready", AuthError),
        ("EHLO", "502 Command not implemented", AuthError),
        ("EHLO", "HTTP/1.1 400 Bad Request", AuthError),
        ("AUTH", "454 4.7.0 Temporary authentication failure", TransientError),
        ("AUTH", "534 5.7.9 Application-specific password required", AuthError),
        ("AUTH", "535 5.7.8 Bad credentials", AuthError),
        ("MAIL", "450 4.7.1 Wait", RateLimitedError),
        ("MAIL", "530 5.7.0 Authentication required", AuthError),
        ("MAIL", "550 5.7.30 Basic authentication is not supported for Client Submission.", AuthError),
        ("MAIL", "553 5.7.1 Sender address rejected: not owned by user", AuthError),
        ("MAIL", "552 5.3.4 Message size exceeds fixed limit", RejectedError),
        ("MAIL", "555 5.5.4 Unsupported option", RejectedError),
        ("MAIL", "354 go ahead", ContractError),
        ("RCPT", "450 4.2.0 Greylisted", RateLimitedError),
        ("RCPT", "451 4.7.1 Greylisted", RateLimitedError),
        ("RCPT", "451 4.3.0 Local error", TransientError),
        ("RCPT", "452 4.5.3 Too many recipients", RateLimitedError),
        ("RCPT", "550 5.1.1 User unknown", RejectedError),
        ("RCPT", "551 5.1.6 User has moved", RejectedError),
        ("RCPT", "553 5.1.3 Bad address", RejectedError),
        ("DATA", "451 4.3.0 Local error", TransientError),
        ("DATA", "554 5.5.1 No valid recipients", RejectedError),
        ("DONE", "421 4.3.2 Shutting down", TransientError),
        ("DONE", "451 4.7.1 Try later", RateLimitedError),
        ("DONE", "452 4.3.1 Insufficient system storage", RateLimitedError),
        ("DONE", "552 5.2.3 Too big for this mailbox", RejectedError),
        ("DONE", "554 5.7.1 Rejected as spam", RejectedError),
    ],
)
def test_refusal_means_one_next_action_and_no_mail(
    fake: Fake, email_for: Make, mail_command: MailCommand, step: str, reply: str, error: type[Exception]
) -> None:
    fake.answer(step, reply)

    with pytest.raises(error) as caught:
        email_for(fake).write(mail_command())

    assert type(caught.value) is error
    assert reply.split()[-1] in str(caught.value)
    assert fake.messages == []


def test_refusal_carries_code_status_and_when_to_try_again(
    fake: Fake, email_for: Make, mail_command: MailCommand
) -> None:
    fake.answer("RCPT", "451 4.7.1 Greylisted, please try again later")

    with pytest.raises(RateLimitedError) as caught:
        email_for(fake).write(mail_command())

    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (451, "4.7.1", 60.0)


def test_unknown_recipient_is_named_by_the_server(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    fake.unknown_recipients.add("gone@acme.example")

    with pytest.raises(RejectedError, match=r"550 5\.1\.1 <gone@acme\.example>: Recipient address rejected"):
        email_for(fake).write(mail_command(target="gone@acme.example", to={"name": "王"}))


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"])
def test_line_cut_before_the_content_is_transient(
    fake: Fake, email_for: Make, mail_command: MailCommand, step: str
) -> None:
    fake.misbehave(Fault.RESET, method=step)

    with pytest.raises(TransientError, match=r"127\.0\.0\.1:\d+: (connection lost at|cannot connect) "):
        email_for(fake).write(mail_command())

    assert fake.messages == []


def test_line_cut_within_the_content_is_transient(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    fake.misbehave(Fault.RESET, method="CONTENT")

    with pytest.raises(TransientError, match="connection lost at content"):
        email_for(fake).write(mail_command(text="行\n" * 1_000_000))

    assert fake.messages == []


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.TRUNCATED])
def test_answer_lost_after_the_dot_is_unknown(
    fake: Fake, email_for: Make, mail_command: MailCommand, fault: Fault
) -> None:
    fake.misbehave(fault)

    with pytest.raises(OutcomeUnknownError, match="the message was sent"):
        email_for(fake).write(mail_command())

    assert fake.count() == 1


def test_nonsense_after_the_dot_is_unknown(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    fake.answer("DONE", "<html>proxy</html>")

    with pytest.raises(OutcomeUnknownError, match="does not say whether it was accepted"):
        email_for(fake).write(mail_command())


def test_silence_before_the_content_is_transient(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    fake.misbehave(Fault.TIMEOUT, seconds=30.0)

    with pytest.raises(TransientError, match=r"connection lost at MAIL FROM .*timed out"):
        email_for(fake, reply_seconds=0.05).write(mail_command())

    assert fake.messages == []


def test_silence_after_the_dot_is_unknown(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    fake.misbehave(Fault.TIMEOUT, method="DONE", seconds=30.0)

    with pytest.raises(OutcomeUnknownError, match="timed out"):
        email_for(fake, accept_seconds=0.2).write(mail_command())

    assert fake.count() == 1


def test_slow_acceptance_is_waited_for(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    fake.misbehave(Fault.TIMEOUT, method="DONE", seconds=0.2)

    receipt = email_for(fake, reply_seconds=0.1).write(mail_command())

    assert receipt.detail == "250 2.0.0 Ok: queued as 00000001"


def test_plan_mode_opens_no_connection(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    context = ConnectorContext(guard=AddressGuard(private_hosts=frozenset({"127.0.0.1"})), read_only=True)

    with pytest.raises(ReadOnlyError):
        email_for(fake, context=context).write(mail_command())

    assert fake.calls == []


def test_bad_payload_opens_no_connection(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    with pytest.raises(RejectedError):
        email_for(fake).write(mail_command(subject=""))

    assert fake.calls == []


def test_too_big_a_message_is_refused_before_it_is_uploaded(email_for: Make, mail_command: MailCommand) -> None:
    with Fake(size_limit=2000) as fake, pytest.raises(RejectedError, match="the server takes 2,000"):
        email_for(fake).write(mail_command(text="x" * 3000))

    assert "MAIL" not in fake.calls


def test_address_beyond_ascii_is_sent_where_the_server_can(email_for: Make, mail_command: MailCommand) -> None:
    with Fake() as fake:
        email_for(fake).write(mail_command(target="王@acme.example", to={"name": "王"}))

    assert fake.messages[0].recipients == ("王@acme.example",)
    assert fake.messages[0].message["To"] == "王 <王@acme.example>"


def test_address_beyond_ascii_is_refused_where_the_server_cannot(email_for: Make, mail_command: MailCommand) -> None:
    with Fake(smtputf8=False) as fake, pytest.raises(RejectedError, match=r"SMTPUTF8.*another address"):
        email_for(fake).write(mail_command(target="王@acme.example", to={"name": "王"}))

    assert fake.messages == []


def test_login_falls_back_to_the_mechanism_that_is_offered(email_for: Make, mail_command: MailCommand) -> None:
    with Fake(accounts={USER: PASSWORD}, mechanisms="LOGIN") as fake:
        email_for(fake).write(mail_command())

    assert fake.messages[0].user == USER


def test_server_without_a_login_by_password_is_an_auth_error(email_for: Make, mail_command: MailCommand) -> None:
    with Fake(accounts={USER: PASSWORD}, mechanisms="XOAUTH2") as fake, pytest.raises(AuthError, match="XOAUTH2"):
        email_for(fake).write(mail_command())


def test_wrong_password_is_tried_once(fake: Fake, email_for: Make, mail_command: MailCommand) -> None:
    with pytest.raises(AuthError, match=r"connections\.connection"):
        email_for(fake, password="wrong-password").write(mail_command())

    assert fake.count(method="AUTH") == 1


def test_password_never_shows_in_an_error_that_echoes_it(
    fake: Fake, email_for: Make, mail_command: MailCommand
) -> None:
    blob = "AHJlcG9ydHNAYWdlbmN5LmV4YW1wbGUAczNjcmV0LW1haWwtcGFzc3dvcmQ="
    fake.answer("AUTH", f"535 5.7.8 {blob} means {PASSWORD}")

    with pytest.raises(AuthError) as caught:
        email_for(fake).write(mail_command())

    assert "*** means ***" in str(caught.value)
    assert PASSWORD not in repr(caught.value)


def test_password_is_not_sent_in_clear_to_a_host_that_is_not_ours(mail_command: MailCommand) -> None:
    config = EmailConfig.model_validate({"smtp": f"smtp://{USER}@mail.example", "password": PASSWORD, "from": USER})
    asked: list[str] = []
    guard = AddressGuard(resolve=lambda host, port: asked.append(host) or ["192.0.2.1"])

    with pytest.raises(ConfigError, match=r"connections\.mail\.config\.smtp: a password is not sent over smtp://"):
        Email(config, context=ConnectorContext(connection="mail", guard=guard)).write(mail_command())

    assert asked == []


def test_private_address_behind_a_public_name_is_refused(mail_command: MailCommand) -> None:
    config = EmailConfig.model_validate({"smtp": f"smtps://{USER}@mail.example", "password": PASSWORD, "from": USER})
    guard = AddressGuard(resolve=lambda host, port: ["192.0.2.1", "10.0.0.5"])

    with pytest.raises(ConfigError, match=r"connections\.mail: mail\.example: address refused"):
        Email(config, context=ConnectorContext(connection="mail", guard=guard)).write(mail_command())


def test_name_is_resolved_once_and_the_next_address_is_tried(fake: Fake, mail_command: MailCommand) -> None:
    asked: list[str] = []
    guard = AddressGuard(
        private_hosts=frozenset({"localhost"}),
        resolve=lambda host, port: asked.append(host) or ["::1", "127.0.0.1"],
    )
    smtp = f"smtp://{USER}@localhost:{fake.port}"
    config = EmailConfig.model_validate({"smtp": smtp, "password": PASSWORD, "from": USER})

    Email(config, context=ConnectorContext(guard=guard)).write(mail_command())

    assert asked == ["localhost"]
    assert fake.count() == 1


def test_server_that_trickles_is_given_up_at_the_deadline(email_for: Make, mail_command: MailCommand) -> None:
    with (
        raw_server(b"220-" + b"x" * 60 + b"\r\n", pause=0.02) as port,
        pytest.raises(TransientError, match="timed out"),
    ):
        plain_email(port, reply_seconds=0.2).write(mail_command())


def test_server_whose_reply_never_ends_is_given_up(email_for: Make, mail_command: MailCommand) -> None:
    with raw_server(b"220-more\r\n" * 10_000) as port, pytest.raises(TransientError, match="no end"):
        plain_email(port).write(mail_command())


def test_check_names_user_host_size_and_offers(fake: Fake, email_for: Make) -> None:
    identity = email_for(fake).check()

    assert (identity.name, identity.tenant, identity.missing) == (USER, "127.0.0.1", ())
    assert identity.notes == (
        "connection: not encrypted (smtp)",
        "largest message: 25,000,000 bytes",
        "the server offers: 8BITMIME, AUTH, HELP, SIZE, SMTPUTF8",
    )
    assert fake.calls == ["GREETING", "EHLO", "AUTH"]


def plain_email(port: int, **config: float) -> Email:
    guard = AddressGuard(private_hosts=frozenset({"127.0.0.1"}))
    parsed = EmailConfig.model_validate({"smtp": f"smtp://127.0.0.1:{port}", "from": USER, **config})
    return Email(parsed, context=ConnectorContext(guard=guard))


@contextmanager
def raw_server(said: bytes, *, pause: float | None = None) -> Iterator[int]:
    """Serve one connection that says `said`, a byte every `pause` seconds if that is given, and nothing sensible."""
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            line, _ = listener.accept()
            with line:
                try:
                    for byte in said if pause else ():
                        line.send(bytes([byte]))
                        if gone.wait(pause):
                            return
                    line.sendall(said)
                except OSError:
                    return

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            gone.set()
            thread.join()
