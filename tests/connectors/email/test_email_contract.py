"""The inherited contract suite for the email connector."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from connectors.email import Email
from connectors.email.config import EmailConfig
from connectors.email.fake import Fake
from syncd.sdk import Command, ConnectorContext
from syncd.sdk.fake import Fault
from syncd.sdk.testing import WritingContract

USER, PASSWORD = "reports@agency.example", "s3cret-mail-password"


class TestEmailContract(WritingContract):
    """A channel: it only writes."""

    fake_class: ClassVar[Any] = partial(Fake, accounts={USER: PASSWORD})
    faults_without = frozenset({Fault.ERROR_IN_200})

    def connector(self, fake: Fake, context: ConnectorContext) -> Email:
        config = {"smtp": f"smtp://{USER}@127.0.0.1:{fake.port}", "password": PASSWORD, "from": USER}
        return Email(EmailConfig.model_validate(config), context=context)

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        payload = {"to": {"email": "wang@acme.example"}, "subject": "周报", "text": "本周完成 12 项。"}
        return Command(operation, key, payload, "wang@acme.example")

    def effects(self, fake: Fake, operation: str) -> int:
        return fake.count()
