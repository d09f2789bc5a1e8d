"""What may stand in the `config:` block, and what a person reads when it may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.email import Email
from connectors.email.config import EmailConfig, Security, Server, server_of
from syncd.sdk import ConfigError, ConnectorContext


def config(smtp: str, **rest: Any) -> EmailConfig:
    return EmailConfig.model_validate({"smtp": smtp, "from": "reports@agency.example", **rest})


@pytest.mark.parametrize(
    ("smtp", "server"),
    [
        (
            "smtps://reports@agency.example@smtp.agency.example",
            Server(Security.TLS, "smtp.agency.example", 465, "reports@agency.example"),
        ),
        (
            "smtp+starttls://ops%40test.invalid@127.0.0.1:1587",
            Server(Security.STARTTLS, "127.0.0.1", 1587, "ops@test.invalid"),
        ),
        ("smtp+starttls://u@mail.example", Server(Security.STARTTLS, "mail.example", 587, "u")),
        ("smtps://u%3Av@[::1]", Server(Security.TLS, "::1", 465, "u:v")),
    ],
)
def test_address_names_security_user_host_and_port(smtp: str, server: Server) -> None:
    assert server_of(config(smtp, password="pw"), "mail") == server


def test_relay_without_login_needs_neither_user_nor_password() -> None:
    assert server_of(config("smtp://relay.example"), "mail") == Server(Security.PLAIN, "relay.example", 25, None)


@pytest.mark.parametrize(
    ("smtp", "rest", "message"),
    [
        ("smtps://u:geheim77@mail.example", {}, r"connections\.mail\.config\.smtp: holds a password; move it to"),
        ("smtps://u:geheim77@mail.example", {"password": "x"}, "holds a password"),
        ("smtps://u@mail.example", {}, r"connections\.mail\.config: a user without password"),
        ("smtps://mail.example", {"password": "pw"}, "a password without the user in smtp"),
        ("https://u@mail.example", {"password": "pw"}, r"config\.smtp: not a server address; write smtps://"),
        ("mail.example", {}, "not a server address"),
        ("smtps://u@mail.example:port", {"password": "pw"}, "not a server address"),
        ("smtps://u@mail.example:99999", {"password": "pw"}, "not a server address"),
        ("smtps://u@mail.example/path", {"password": "pw"}, "not a server address"),
        ("smtps://", {}, "not a server address"),
    ],
)
def test_unusable_address_is_a_config_error_that_never_repeats_it(
    smtp: str, rest: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Email(config(smtp, **rest), context=ConnectorContext(connection="mail"))

    assert "geheim77" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("from", "reports"),
        ("from", "a@agency.example, b@agency.example"),
        ("from", "Reports <reports@agency.example>\r\nBcc: x@evil.example"),
        ("reply_to", "team@"),
        ("bounces_to", "nobody"),
        ("message_id_domain", "agency example"),
        ("list_id", "agency>"),
    ],
)
def test_wrong_address_is_a_config_error_that_names_the_key(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"connections\.mail\.config\.{key}: "):
        Email(config("smtp://relay.example", **{key: value}), context=ConnectorContext(connection="mail"))


def test_validation_error_does_not_show_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        config("smtps://u@mail.example", pasword="geheim77")

    assert "pasword" in str(caught.value)
    assert "geheim77" not in str(caught.value)


def test_password_is_hidden_in_the_configuration() -> None:
    assert "geheim77" not in repr(config("smtps://u@mail.example", password="geheim77"))
