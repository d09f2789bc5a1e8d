"""What httpx itself writes into the log."""

from __future__ import annotations

import httpx
import pytest

from syncd.sdk.api import ApiClient
from syncd.sdk.connector import ConnectorContext


def test_secret_in_a_query_is_masked_in_the_log_of_httpx(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    context = ConnectorContext(transport=httpx.MockTransport(lambda request: httpx.Response(200, json={})))

    ApiClient("https://vendor.test", context).get("/token", {"client_id": "app", "client_secret": "canary-1a2b3c"})

    assert "client_id=app" in caplog.text
    assert "canary-1a2b3c" not in caplog.text
