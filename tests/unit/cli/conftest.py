"""The command line in this process, as the console script runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncd import cli


@dataclass(frozen=True, slots=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


Syncd = Callable[..., Said]


@pytest.fixture
def syncd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Syncd:
    """Return a function that runs one command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["syncd", *arguments])
        code = 0
        try:
            cli.main(pages=lambda service, listen: pytest.fail("no pages here"))
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def configured(syncd: Syncd, tmp_path: Path) -> Path:
    """Return a folder with a configuration that sends mail only."""
    folder = tmp_path / "config"
    (folder / "accounts").mkdir(parents=True)
    (folder / "syncd.yaml").write_text(
        "connections:\n  mail:\n    connector: email\n"
        "    config: {smtp: smtps://mail.agency.example, from: reports@agency.example}\n",
        "utf-8",
    )
    return folder
