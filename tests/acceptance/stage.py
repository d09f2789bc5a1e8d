"""The stage of the acceptance test: an imitated GitHub in a process of its own, a CRM, a mail server, and a user.

The user has nothing but the command line, an editor and the vendors' ids.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import connectors.email.fake
import connectors.zoho_crm.fake

REPOSITORY: Final = "bitcoin-core/secp256k1"
READER, SPONSOR, SALES = "crm@test.invalid", "ops@test.invalid", "sales@agency.example"
_SYNCD: Final = Path(sysconfig.get_path("scripts")) / "syncd"
_LONGEST_SECONDS: Final = 90
_MORE_ROWS: Final = """
  - {audience: sponsor, content: brief, channel: email, when: tuesday 08:00, lang: zh-CN}
  - {audience: sales, content: brief, channel: zoho, when: with digest}"""


class Mailboxes(Protocol):
    """A mail server: where to send, and what has arrived."""

    smtp: str
    password: str

    def with_subject(self, text: str, *, reader: str, at_least: int) -> list[EmailMessage]:
        """Return the reader's messages whose subject holds `text`, oldest first; waits until there are so many."""
        ...


@dataclass
class Imitated:
    """The email connector's own fake, which wants a login like a real server."""

    fake: connectors.email.fake.Fake
    password: str = "secret"

    @property
    def smtp(self) -> str:
        """The address with the user in it."""
        return self.fake.url.replace("smtp://", "smtp://ops%40test.invalid@")

    def with_subject(self, text: str, *, reader: str, at_least: int) -> list[EmailMessage]:
        """Return what was taken for the reader; nothing is ever under way."""
        sent = [one.message for one in self.fake.messages if one.recipients == (reader,)]
        return [message for message in sent if text in str(message["Subject"])]


@dataclass
class Real:
    """Postfix and Dovecot, as `tests/servers/mail.sh` starts them."""

    smtp: str
    password: str
    imap: str

    def with_subject(self, text: str, *, reader: str, at_least: int) -> list[EmailMessage]:
        """Read the reader's inbox over IMAP; TimeoutError when the server is silent for twenty seconds."""
        host, _, port = self.imap.partition(":")
        inbox = imaplib.IMAP4(host, int(port), timeout=20)
        try:
            inbox.login(reader, self.password)
            inbox.select(readonly=True)
            while len(numbers := inbox.uid("search", "SUBJECT", f'"{text}"')[1][0].split()) < at_least:
                _wait_for_mail(inbox)
            found = [inbox.uid("fetch", number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]
        finally:
            inbox.shutdown()
        return [message_from_bytes(raw, policy=policy.default) for raw in found]


def _wait_for_mail(inbox: imaplib.IMAP4) -> None:
    """Return when the server says that something has come since it was last asked."""
    before = inbox.untagged_responses.pop("EXISTS", [None])[-1]
    if inbox.noop()[0] == "OK" and inbox.untagged_responses.get("EXISTS", [before])[-1] != before:
        return
    inbox.send(b"idle1 IDLE\r\n")
    while b"EXISTS" not in _line(inbox):
        pass
    inbox.send(b"DONE\r\n")
    while not _line(inbox).startswith(b"idle1"):
        pass


def _line(inbox: imaplib.IMAP4) -> bytes:
    if not (line := inbox.readline()):
        raise ConnectionError("the IMAP server hung up")
    return line


@contextlib.contextmanager
def mail_server() -> Iterator[Mailboxes]:
    """Lend the real server when there is one, else an imitated one."""
    if smtp := os.environ.get("SYNCD_TEST_SMTP"):
        yield Real(smtp, os.environ["SYNCD_TEST_SMTP_PASSWORD"], os.environ.get("SYNCD_TEST_IMAP", "127.0.0.1:1143"))
        return
    with connectors.email.fake.Fake(accounts={"ops@test.invalid": "secret"}) as fake:
        yield Imitated(fake)


class Lab:
    """`syncd lab github` in a process, which can be moved to another day while its address stays."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[str] | None = None
        self.url, self.token = "", ""

    def show(self, day: str) -> None:
        """Serve the project as it was at `day`, on the same port as before."""
        self.close()
        command = [str(_SYNCD), "lab", "github", "--data", str(self._data), "--as-of", day, "--json"]
        port = urlsplit(self.url).port
        command += ["--port", str(port)] if port else []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        told = json.loads("".join(_until(self._process.stdout, "}")))
        self.url, self.token = told["url"], told["token"]

    def close(self) -> None:
        """End the process as Ctrl-C does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.communicate(timeout=_LONGEST_SECONDS)
            self._process = None


def _until(lines: Any, end: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line.rstrip() == end:
            return


@dataclass
class Crm:
    """The client's side: company, contacts and deal in an imitated Zoho CRM."""

    fake: connectors.zoho_crm.fake.Fake
    account: str = field(init=False)
    deal: str = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.fake.add_account("Wallet AG", website="https://test.invalid")
        self.fake.add_contact("Kraus", first_name="Lena", email=READER, account=self.account, Title="Project manager")
        self.fake.add_contact("Wang", first_name="Fang", email=SPONSOR, account=self.account, Title="Sponsor")
        self.fake.add_contact("Nobody", email="nobody@elsewhere.example", account=None)
        self.deal = self.fake.add_deal("Signature library", account=self.account, amount=48_000)

    @property
    def notes(self) -> list[dict[str, Any]]:
        """The notes on the deal, oldest first."""
        return [note for note in self.fake.records("Notes") if note["Parent_Id"]["id"] == self.deal]


@dataclass
class User:
    """Someone with a shell in an empty folder, who types `syncd …`. `client` is the id of the client's file."""

    folder: Path
    client: str
    project: str
    secrets: Mapping[str, str]

    def syncd(self, *arguments: str, exit_code: int = 0) -> Any:
        """Run a command and return its JSON document; anything else, and what it says on stderr, is an error."""
        module = [sys.executable, "-m", "syncd"] if arguments[0] == "digest" else [str(_SYNCD)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **self.secrets}
        done = subprocess.run(
            [*module, *arguments, "--json"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        assert (done.returncode, done.stderr) == (exit_code, ""), f"syncd {arguments}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace texts in a file, each of which must stand there once."""
        file = self.folder / path
        text = file.read_text("utf-8")
        for old, new in changes:
            assert text.count(old) == 1, f"{path}: {old!r} is there {text.count(old)} times"
            text = text.replace(old, new)
        file.write_text(text, "utf-8")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database, without changing it."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/data/syncd.db?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()


def set_up(user: User, lab: Lab, crm: Crm, mail: Mailboxes) -> None:
    """Configure syncd as a person does: `syncd init`, then fill in what it marks, then `syncd check`."""
    asked = ["--connector", "github", "--connector", "zoho_crm", "--connector", "email", "--client", user.client]
    asked += ["--project", user.project, "--contact", READER, "--timezone", "Asia/Shanghai", "--when", "tuesday 08:00"]
    user.syncd("init", *asked)
    private = "    allow_private_hosts: [127.0.0.1]\n"
    zoho = crm.fake.config()
    user.edit(
        "config/syncd.yaml",
        ("# secrets: {key: env:SYNCD_KEY}      # encrypts", "secrets: {key: env:SYNCD_KEY}        # encrypts"),
        ("repositories: [CHANGE-ME]\n", f"repositories: [{REPOSITORY}]\n      base_url: {lab.url}\n{private}"),
        ("client_id: CHANGE-ME\n", f"client_id: {zoho['client_id']}\n      api_url: {zoho['api_url']}\n"),
        ("_REFRESH_TOKEN\n", f"_REFRESH_TOKEN\n      accounts_url: {zoho['accounts_url']}\n{private}"),
        ("smtp: CHANGE-ME\n", f"smtp: {mail.smtp}\n"),
        ("from: CHANGE-ME\n", f"from: Project reports <ops@test.invalid>\n{private}"),
    )
    deal = f'{{connection: zoho, account: "{crm.account}", opportunity: "{crm.deal}"}}'
    user.edit(
        f"config/accounts/{user.client}.yaml",
        ("# calendars: {ours: CN, theirs: CN}", "calendars: {ours: CN, theirs: CN}"),
        (f"project: CHANGE-ME-{user.client}", f"project: {REPOSITORY}"),
        (f"{{connection: zoho, account: CHANGE-ME-{user.client}}}", deal),
        ("\nplan:", f"  sponsor: {{contacts: [{SPONSOR}]}}\n  sales: {{users: [{SALES}]}}\n\nplan:"),
        ("\n\nshow:", f"{_MORE_ROWS}\n\nshow:"),
    )
    _override_mapping(user)


def _override_mapping(user: User) -> None:
    """Give one of this project's own labels a meaning, in a copy of the shipped mapping."""
    shipped = Path(user.syncd("connectors", "explain", "github")["mapping"])
    (user.folder / "mappings").mkdir()
    (user.folder / "mappings" / "github.yaml").write_bytes(shipped.read_bytes())
    blocked = "                on hold: blocked\n"
    user.edit("mappings/github.yaml", (blocked, f"{blocked}                next-meeting: blocked\n"))
