"""`syncd lab`: slips are told before anything listens."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Syncd = Callable[..., Any]


@pytest.fixture
def busy_port() -> Iterator[int]:
    """Return a loopback port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize("connector", ["email", "github"])
def test_a_port_that_is_taken_is_told(syncd: Syncd, connector: str, busy_port: int) -> None:
    said = syncd("lab", connector, "--port", str(busy_port))

    assert said.code == 2
    assert f"--port {busy_port}: cannot be listened on (Address already in use); name another" in said.err


def test_a_port_that_does_not_exist_is_told(syncd: Syncd) -> None:
    said = syncd("lab", "email", "--port", "99999")

    assert said.code == 2
    assert "Invalid value for '--port'" in said.err
    assert "Traceback" not in said.err
