"""What libraries log goes the way of our own log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from syncd.cli import serve


@pytest.fixture(autouse=True)
def _kept() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    serve._forward_library_logs()
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_warning_of_a_library_is_one_event_with_facts() -> None:
    with structlog.testing.capture_logs() as lines:
        logging.getLogger("uvicorn.error").warning("odd %s", "request")

    assert lines == [
        {"event": "library warning", "library": "uvicorn.error", "said": "odd request", "log_level": "warning"}
    ]


def test_an_error_keeps_its_trace_and_chatter_is_left_out() -> None:
    with structlog.testing.capture_logs() as lines:
        logging.getLogger("uvicorn.error").info("started")
        logging.getLogger("apscheduler.scheduler").warning("maximum number of running instances reached")
        try:
            raise ValueError("a bug")
        except ValueError:
            logging.getLogger("asyncio").exception("it broke")

    assert [(line["event"], line["library"]) for line in lines] == [("library error", "asyncio")]
    assert lines[0]["exc_info"][0] is ValueError
