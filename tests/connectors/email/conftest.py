"""What the email tests share: a certificate, and a connector for a fake."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.email import Email
from connectors.email.config import EmailConfig
from connectors.email.fake import Fake
from syncd.sdk import AddressGuard, Command, ConnectorContext

NOW = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)
USER, PASSWORD = "reports@agency.example", "s3cret-mail-password"
OURS = AddressGuard(private_hosts=frozenset({"127.0.0.1", "localhost"}))
PAYLOAD: dict[str, Any] = {
    "to": {"email": "wang@acme.example", "name": "王经理"},
    "subject": "[客户门户] 第 10 周：完成 72 %，1 项有风险",
    "text": "您好，本周完成 12 项。\n",
}

Make = Callable[..., Email]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate: the server's side, and the file a client trusts."""

    server: ssl.SSLContext
    ca_file: Path


def make_certificate(folder: Path, *names: x509.GeneralName) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, secret)
    return Certificate(server, pem)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 and localhost."""
    names = x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")
    return make_certificate(tmp_path_factory.mktemp("tls"), *names)


@pytest.fixture(scope="session")
def foreign_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for another host."""
    return make_certificate(tmp_path_factory.mktemp("foreign"), x509.DNSName("other.example"))


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A server that wants a login."""
    with Fake(accounts={USER: PASSWORD}) as fake:
        yield fake


@pytest.fixture
def email_for() -> Make:
    """Make a connector for a fake: `email_for(fake, context=…, **config)`; logs in when the fake wants it."""

    def make(fake: Fake, *, context: ConnectorContext | None = None, **config: Any) -> Email:
        return email_connector(fake, context or ConnectorContext(guard=OURS, now=lambda: NOW), **config)

    return make


@pytest.fixture
def mail_command() -> Callable[..., Command]:
    """Make a valid command; keywords replace parts of its payload."""

    def make(key: str = "digest-1", target: str | None = "wang@acme.example", **payload: Any) -> Command:
        return Command("send_mail", key, {**PAYLOAD, **payload}, target)

    return make


def email_connector(fake: Fake, context: ConnectorContext, **config: Any) -> Email:
    scheme, _, host = fake.url.partition("://")
    login = {"smtp": f"{scheme}://{USER}@{host}", "password": PASSWORD} if fake.accounts else {"smtp": fake.url}
    return Email(
        EmailConfig.model_validate({**login, "from": f"项目周报 <{USER}>", **config}),
        context=context,
    )
