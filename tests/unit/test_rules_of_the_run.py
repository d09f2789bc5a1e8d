"""The rules in `tests/conftest.py`: what is absent is skipped by name, and CI takes no skip for an answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDY = """
import pytest

@pytest.mark.needs("no-such-program-anywhere")
def test_needy():
    raise AssertionError("not reached")

@pytest.mark.needs("python3")
def test_served():
    assert True
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run a test file under our rules in a process of its own; return exit code and output."""

    def run_file(text: str, **env: str) -> tuple[int, str]:
        shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "conftest.py")
        (tmp_path / "test_sample.py").write_text(text, encoding="utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = needs(what): needs it\n", encoding="utf-8")
        plain = {name: value for name, value in os.environ.items() if name != "CI"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", str(tmp_path)],
            cwd=tmp_path,
            env={**plain, "PYTHONPATH": str(ROOT), **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    return run_file


def test_what_is_absent_is_skipped_by_name(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(NEEDY)

    assert code == 0
    assert "1 passed, 1 skipped" in output
    assert "needs no-such-program-anywhere" in output


def test_skip_fails_the_run_in_ci(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(NEEDY, CI="true")

    assert code == 1
    assert "a skipped test counts as failed in CI" in output


def test_run_without_a_skip_passes_in_ci(run: Callable[..., tuple[int, str]]) -> None:
    code, _ = run("def test_fine():\n    assert True\n", CI="true")

    assert code == 0
