"""The agency whose command line is tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bad_input.agency import Agency, opened


@pytest.fixture
def agency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_template: Path
) -> Iterator[Agency]:
    """The agency, ready to run."""
    (tmp_path / "syncd.db").write_bytes(sqlite_template.read_bytes())
    monkeypatch.chdir(tmp_path)
    with opened(tmp_path, monkeypatch, capsys) as made:
        yield made
