"""Encryption: asked for means had, and the certificate must prove the host that was named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.email import Email
from connectors.email.config import EmailConfig
from connectors.email.fake import Fake
from syncd.sdk import AuthError, Command, ConfigError, TransientError

USER, PASSWORD = "reports@agency.example", "s3cret-mail-password"
MailCommand = Callable[..., Command]
Make = Callable[..., Email]


@pytest.mark.parametrize("kind", ["tls", "starttls"])
def test_mail_and_password_travel_encrypted(
    email_for: Make, mail_command: MailCommand, certificate: Any, kind: str
) -> None:
    with Fake(accounts={USER: PASSWORD}, **{kind: certificate.server}) as fake:
        email = email_for(fake, ca_file=certificate.ca_file)
        email.write(mail_command())
        notes = email.check().notes

    assert (fake.messages[0].encrypted, fake.messages[0].user) == (True, USER)
    assert notes[0].startswith("connection: TLSv1.3 (smtp")


@pytest.mark.parametrize("kind", ["tls", "starttls"])
def test_unknown_authority_is_refused_with_the_way_out(
    email_for: Make, mail_command: MailCommand, certificate: Any, kind: str
) -> None:
    with (
        Fake(accounts={USER: PASSWORD}, **{kind: certificate.server}) as fake,
        pytest.raises(AuthError, match=r"does not prove that it is 127\.0\.0\.1.*ca_file of connections\.connection"),
    ):
        email_for(fake).write(mail_command())

    assert "AUTH" not in fake.calls


@pytest.mark.parametrize("kind", ["tls", "starttls"])
def test_certificate_of_another_host_is_refused(
    email_for: Make, mail_command: MailCommand, foreign_certificate: Any, kind: str
) -> None:
    with (
        Fake(accounts={USER: PASSWORD}, **{kind: foreign_certificate.server}) as fake,
        pytest.raises(AuthError, match="does not prove"),
    ):
        email_for(fake, ca_file=foreign_certificate.ca_file).write(mail_command())

    assert "AUTH" not in fake.calls


def test_missing_starttls_never_falls_back_to_clear_text(
    email_for: Make, mail_command: MailCommand, certificate: Any
) -> None:
    with Fake(accounts={USER: PASSWORD}) as fake:
        smtp = f"smtp+starttls://{USER}@127.0.0.1:{fake.port}"
        email = email_for(fake, smtp=smtp, ca_file=certificate.ca_file)

        with pytest.raises(AuthError, match="does not offer STARTTLS"):
            email.write(mail_command())

    assert fake.calls == ["GREETING", "EHLO"]


def test_implicit_tls_on_a_plain_port_is_transient_and_names_the_port(
    email_for: Make, mail_command: MailCommand
) -> None:
    with Fake(accounts={USER: PASSWORD}) as fake, pytest.raises(TransientError, match="check address, port"):
        email_for(fake, smtp=f"smtps://{USER}@127.0.0.1:{fake.port}").write(mail_command())


def test_unreadable_ca_file_is_a_config_error(tmp_path: Any) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("not a certificate")
    config = EmailConfig.model_validate({"smtp": "smtps://mail.example", "from": USER, "ca_file": empty})

    with pytest.raises(ConfigError, match=r"config\.ca_file: .*ca\.pem is not a readable PEM file"):
        Email(config)
