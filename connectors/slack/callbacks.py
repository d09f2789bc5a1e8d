"""Slack's callbacks (Events API): the signature, the proof of the address, and what is worth a read.

Source: docs.slack.dev/authentication/verifying-requests-from-slack and docs.slack.dev/apis/events-api, read 2026-11-21.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from connectors.slack.replies import STREAM
from syncd.sdk import AuthError, WebhookHint

_PATIENCE: Final = 300.0
_VERSION: Final = "v0"


def receive(headers: Mapping[str, str], body: bytes, *, secret: str, channel: str, now: datetime) -> WebhookHint:
    """Check the signature and return the streams to read: `replies` when something was said in `channel`."""
    named = {name.lower(): value for name, value in headers.items()}
    _verify(named.get("x-slack-request-timestamp", ""), named.get("x-slack-signature", ""), body, secret, now)
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:  # buttons and commands come as forms, and we offer none
        return WebhookHint()
    return _hint(told, channel) if isinstance(told, Mapping) else WebhookHint()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what Slack writes into X-Slack-Signature."""
    base = b":".join((_VERSION.encode(), timestamp.encode(), body))
    return f"{_VERSION}={hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()}"


def _verify(timestamp: str, given: str, body: bytes, secret: str, now: datetime) -> None:
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
    if not is_number or abs(now.timestamp() - int(timestamp)) > _PATIENCE:
        raise AuthError("callback: X-Slack-Request-Timestamp is missing or more than five minutes off; not believed")
    if not hmac.compare_digest(signature(secret, timestamp, body).encode(), given.encode("utf-8", "replace")):
        raise AuthError("callback: X-Slack-Signature is not Slack's; check config.signing_secret")


def _hint(told: Mapping[str, Any], channel: str) -> WebhookHint:
    match told.get("type"):
        case "url_verification":
            return WebhookHint(reply=msgspec.json.encode({"challenge": str(told.get("challenge", ""))}))
        case "event_callback":
            event = told.get("event")
            is_news = isinstance(event, Mapping) and event.get("type") == "message" and event.get("channel") == channel
            return WebhookHint(frozenset({STREAM}) if is_news else frozenset())
        case "app_rate_limited":  # events were dropped
            return WebhookHint(frozenset({STREAM}))
    return WebhookHint()
