"""The demo as a person runs it: one process, nothing configured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run `syncd demo --json` once in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "syncd", "demo", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_friday_each_reader_gets_one_mail_and_each_deal_one_note(shown: dict[str, Any]) -> None:
    fridays, readers, deals = 8, 4, 2

    assert shown["mails"] == fridays * readers
    assert shown["crm_notes"] == fridays * deals


def test_the_second_run_sends_nothing_and_writes_nothing(shown: dict[str, Any]) -> None:
    assert shown["second_run"]["sent"] == 0
    assert shown["second_run"]["queued"] == 0
    assert "written 0" in shown["second_run"]["balance"]


def test_the_digest_tells_the_story_of_the_last_week(shown: dict[str, Any]) -> None:
    english = next(digest for digest in shown["digests"] if "Field service app" in digest["subject"])

    assert "16 of 25 done" in english["subject"]
    assert "Offline mode accepted now 16 Mar (was 12 Mar)" in english["subject"]
    assert "1. Which regions come first? (waiting 6 working days · wanted by 2 Mar)" in english["text"]
    assert "- Sync after reconnect (moved to a later date · promised for 4 Mar · now 11 Mar)" in english["text"]
    assert "Promised 5, kept 2" in english["text"]


def test_the_chinese_digest_counts_the_days_of_spring_festival_as_closed(shown: dict[str, Any]) -> None:
    chinese = next(digest for digest in shown["digests"] if "客户门户" in digest["subject"])

    assert "21 / 34" in chinese["text"]
    assert "UAT 验收" in chinese["subject"]
    assert "需要您" in chinese["text"]


def test_the_digests_lie_where_the_demo_says(shown: dict[str, Any]) -> None:
    pages = [Path(path).read_text("utf-8") for path in shown["files"]]

    assert len(pages) == 4
    assert all(page.lstrip().lower().startswith("<!doctype html>") for page in pages)
