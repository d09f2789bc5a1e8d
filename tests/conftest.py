"""Rules of the whole test run: what is needed and absent is skipped by name, and CI takes no skip for an answer."""

from __future__ import annotations

import os
import shutil

import pytest
import structlog

pytest.register_assert_rewrite("syncd.sdk.contract")

from syncd import log  # noqa: E402
from syncd.sdk.testing import is_inapplicable  # noqa: E402


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test have a log of its own: another's level would drop lines here, another's secrets mask words."""
    structlog.reset_defaults()
    monkeypatch.setattr(log, "_hidden", {})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out contract cases that speak of nothing the connector has: they are no skips."""
    inapplicable = [item for item in items if is_inapplicable(item)]
    if inapplicable:
        config.hook.pytest_deselected(items=inapplicable)
        items[:] = [item for item in items if not is_inapplicable(item)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `needs("docker")` when there is no such program, or no such environment variable."""
    for marker in item.iter_markers("needs"):
        for what in marker.args:
            if shutil.which(what) is None and not os.environ.get(what):
                pytest.skip(f"needs {what}: neither a program on the PATH nor an environment variable")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the session in CI when a test was skipped: a test that never runs protects nobody."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CI", "").lower() in ("1", "true") and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"\n{len(skipped)} skipped: a skipped test counts as failed in CI", red=True)
