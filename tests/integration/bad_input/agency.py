"""An agency whose command line is tried with wrong input: real fakes, real files, the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from connectors.email.fake import Fake as Mail
from connectors.pingcode.fake import Fake as PingCode
from connectors.zoho_crm.fake import Fake as Zoho
from syncd import cli
from syncd.sdk.testing import Clock
from syncd.store import open_store
from tests.integration.engine.world import SERVICE, World, seed

ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to: its exit code, and what it said on both streams."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


@dataclass
class Agency(World):
    """The world of the engine's tests on the machine's clock, seen from the command line."""

    capture: Any = None
    patch: Any = None

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "syncd.db"

    def syncd(self, *arguments: str) -> Outcome:
        """Run a command in this process, as the console script does."""
        self.capture.readouterr()
        self.patch.setattr(sys, "argv", ["syncd", *arguments])
        code = 0
        try:
            cli.main(pages=lambda service, listen: pytest.fail("no pages here"))
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = self.capture.readouterr()
        return Outcome(code, said.out, said.err)

    def on_config(self, command: str, *arguments: str) -> Outcome:
        """Run a command on this configuration."""
        return self.syncd(*command.split(), *arguments, "-c", str(self.config))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the program as a process of its own."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COVERAGE_PROCESS_START": ""}
        return subprocess.Popen(
            [sys.executable, "-m", "syncd", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def process(self, *arguments: str, **options: Any) -> Outcome:
        """Run the program as a process of its own, to its end."""
        with self.start(*arguments, **options) as child:
            out, err = child.communicate(timeout=120)
        return Outcome(child.returncode, out, err)

    def spoil(self, file: str, old: str, new: str) -> None:
        """Put a slip into a file below `config/`."""
        path = self.config / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")


@contextmanager
def opened(folder: Path, patch: pytest.MonkeyPatch, capture: Any) -> Iterator[Agency]:
    """Start the vendors and write the files; no call is tried again after a pause."""
    patch.setattr("syncd.sdk.api._pause", lambda state: 0.0)
    with ExitStack() as stack:
        pingcode, zoho, mail = (stack.enter_context(kind()) for kind in (PingCode, Zoho, Mail))
        config = zoho.config()
        patch.setenv("PC_SECRET", pingcode.client_secret)
        patch.setenv("ZOHO_SECRET", config["client_secret"])
        patch.setenv("ZOHO_REFRESH", config["refresh_token"])
        store = open_store(f"sqlite:///{folder / 'syncd.db'}")
        stack.callback(store.close)
        agency = Agency(folder, store, Clock(), pingcode, zoho, mail, capture=capture, patch=patch)
        agency.service = f"database: sqlite:///{agency.database}\n{SERVICE}"
        seed(agency)
        agency.write()
        yield agency
