"""Contract cases on what a connector says about itself, and on its login."""
# ruff: noqa: S101

from __future__ import annotations

import inspect
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from pydantic import SecretStr, ValidationError

from syncd import log
from syncd.errors import AuthError, ConfigError, ConnectorError, TransientError
from syncd.sdk.connector import Connector, ConnectorContext, Identity, Partitioned
from syncd.sdk.contract.alteration import alter
from syncd.sdk.contract.harness import CONNECTION, Clock, ContractHarness, context_for
from syncd.sdk.fake import Answer, FakeServer, Fault, Request
from syncd.sdk.guard import AddressGuard

HEADINGS: Final = (
    "Access needed",
    "Streams",
    "Operations and delivery class",
    "Limits",
    "Deletes",
    "Time zones",
    "Quirks",
    "Last verified on",
)
ALWAYS: Final = 10_000


class DescriptionContract(ContractHarness):
    """Cases that hold for every connector, whatever it can do."""

    def readme(self, subject: Connector) -> str:
        """Return the text of the README beside the connector."""
        return Path(inspect.getfile(type(subject))).with_name("README.md").read_text(encoding="utf-8")

    def test_subject_is_a_connector(self, subject: Connector) -> None:
        assert isinstance(subject, Connector)

    def test_names_are_lower_case_words(self, subject: Connector) -> None:
        spec = subject.spec

        names = [spec.name, *(s.name for s in spec.streams), *(o.name for o in spec.operations)]

        assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []
        assert spec.title.strip() == spec.title != ""

    def test_streams_and_operations_are_named_once(self, subject: Connector) -> None:
        counts = [Counter(s.name for s in subject.spec.streams), Counter(o.name for o in subject.spec.operations)]

        assert [name for count in counts for name, times in count.items() if times > 1] == []

    def test_stream_figures_are_sane(self, subject: Connector) -> None:
        for stream in subject.spec.streams:
            assert timedelta(0) <= stream.overlap <= timedelta(days=7)
            assert stream.cadence > timedelta(0)

    def test_partitioned_streams_have_partitions(self, subject: Connector) -> None:
        partitioned = any(stream.partitioned for stream in subject.spec.streams)

        assert partitioned is False or isinstance(subject, Partitioned)

    def test_unknown_configuration_key_is_refused(self, subject: Connector) -> None:
        with pytest.raises(ValidationError) as caught:
            subject.spec.config.model_validate({"no_such_key": 1})

        refused = [error["loc"] for error in caught.value.errors() if error["type"] == "extra_forbidden"]
        assert refused == [("no_such_key",)]

    def test_secrets_have_a_type_that_hides_them(self, subject: Connector) -> None:
        fields = subject.spec.config.model_fields
        secret = re.compile(r"(password|secret|token|api_key|private_key)$")

        shown = [name for name, field in fields.items() if secret.search(name) and "SecretStr" not in str(field)]

        assert shown == []

    def test_readme_has_every_heading(self, subject: Connector) -> None:
        text = self.readme(subject)

        assert [h for h in HEADINGS if not re.search(rf"(?im)^#+\s*{re.escape(h)}", text)] == []

    def test_readme_names_every_stream(self, subject: Connector) -> None:
        text = self.readme(subject)

        assert [s.name for s in subject.spec.streams if f"`{s.name}`" not in text] == []

    def test_readme_gives_the_delivery_class_of_every_operation(self, subject: Connector) -> None:
        lines = self.readme(subject).splitlines()

        silent = [
            o.name
            for o in subject.spec.operations
            if not any(f"`{o.name}`" in line and o.delivery.value in line.lower() for line in lines)
        ]

        assert silent == []

    def mapping_file(self, subject: Connector) -> Path:
        """Return the connector's mapping: `mappings/<name>.yaml` beside the folder of connectors."""
        return Path(inspect.getfile(type(subject))).parents[2] / "mappings" / f"{subject.spec.name}.yaml"

    def test_mapping_is_for_this_connector(self, subject: Connector) -> None:
        text = self.mapping_file(subject).read_text(encoding="utf-8")

        assert re.search(rf"(?m)^connector: {subject.spec.name}\b", text)

    # -- login ------------------------------------------------------------------------------------------------

    def test_check_says_who_we_are(self, subject: Connector) -> None:
        identity = subject.check()

        assert isinstance(identity, Identity)
        assert identity.name != ""
        assert identity.missing == ()

    def test_check_is_cheap(self, fake: Any, subject: Connector) -> None:
        subject.check()

        assert len(getattr(fake, "calls", ())) <= 6

    def test_bad_login_is_an_auth_error_that_names_the_connection(self, fake: Any, subject: Connector) -> None:
        fake.misbehave(Fault.EXPIRED_TOKEN, times=ALWAYS)

        with pytest.raises(AuthError, match=CONNECTION):
            subject.check()

    def test_lost_right_is_named(self, fake: Any, subject: Connector) -> None:
        fake.misbehave(Fault.FORBIDDEN, times=ALWAYS)

        try:
            missing = "; ".join(subject.check().missing)
        except AuthError as err:
            missing = str(err)

        assert missing != ""

    def test_unreachable_vendor_is_named(self, context: ConnectorContext) -> None:
        with self.fake_class() as fake:
            connector = self.connector(fake, context)

        with pytest.raises((TransientError, ConfigError), match=r"127\.0\.0\.1"):
            connector.check()

        connector.close()

    def test_private_address_is_refused_unless_allowed_by_name(self, fake: Any, clock: Clock) -> None:
        context = context_for(clock, guard=AddressGuard())

        with pytest.raises(ConfigError, match="allow_private_hosts"):
            self.connector(fake, context).check()

        assert list(getattr(fake, "calls", ())) == []

    def test_closing_twice_is_harmless(self, subject: Connector) -> None:
        subject.check()

        subject.close()
        subject.close()

    def test_no_secret_is_in_an_error_or_a_log_line(
        self, fake: Any, clock: Clock, fault: Fault, monkeypatch: pytest.MonkeyPatch, log_lines: StringIO
    ) -> None:
        secrets = watch_secrets(monkeypatch)
        connector = self.connector(fake, context_for(clock))
        if isinstance(fake, FakeServer):
            alter(fake, partial(_echo, secrets))
        fake.misbehave(fault, times=ALWAYS, seconds=0.0)

        try:
            connector.check()
        except ConnectorError as err:
            log.get().error("check failed", error=err, exc_info=err)
            log_lines.write("".join(traceback.format_exception(err)))

        connector.close()
        said = log_lines.getvalue()
        assert [secret for secret in secrets if secret in said] == []

    @pytest.fixture
    def log_lines(self) -> Iterator[StringIO]:
        """Everything that is logged, as it would be written."""
        before = structlog.get_config()
        lines = StringIO()
        log.configure(stream=lines, json=True, level="debug")
        yield lines
        structlog.configure(**before)


def _echo(secrets: set[str], request: Request, answer: Answer) -> Answer:
    """Let the vendor repeat the credentials in its error, as some do."""
    login = request.headers.get("authorization", "").split(" ")
    secrets.update(part for part in login[1:] if part)
    if answer.status < 400 or not isinstance(answer.body, dict):
        return answer
    told = f" (you sent {' '.join(login)} and {request.query} and {request.body})"
    body = {key: value + told if isinstance(value, str) else value for key, value in answer.body.items()}
    return replace(answer, body=body)


def watch_secrets(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return a set that fills with every secret which is taken out of its `SecretStr`."""
    seen: set[str] = set()
    original = SecretStr.get_secret_value

    def watched(self: SecretStr) -> str:
        value = original(self)
        seen.update({value} if len(value) > 3 else ())
        return value

    monkeypatch.setattr(SecretStr, "get_secret_value", watched)
    return seen
