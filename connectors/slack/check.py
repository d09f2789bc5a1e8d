"""The check of a connection: who we are, and whether the channel can be read and posted to, in two requests."""

from __future__ import annotations

from typing import Final

from connectors.slack.web import Web
from syncd.sdk import AuthError, ConnectorContext, Identity, Reply

# Rights that no read can try.
_TO_POST: Final = "chat:write"
_TO_UPLOAD: Final = "files:write"
_OF_THE_CHANNEL: Final = frozenset(
    {"missing_scope", "no_permission", "channel_not_found", "not_in_channel", "is_archived"}
)


def check(web: Web, channel: str, context: ConnectorContext) -> Identity:
    """Ask who we are and look into the channel; AuthError when the token is not valid."""
    reply = web.get("auth.test")
    missing = [*_scopes_missing(reply), *_channel_missing(web, channel)]
    skew = (reply.date - context.now()).total_seconds() if reply.date else None
    notes = () if _scopes(reply) is not None else (f"Slack does not tell the scopes; posting needs {_TO_POST}",)
    return Identity(
        name=str(reply.member("user")),
        tenant=str(reply.json.get("team") or ""),
        missing=tuple(missing),
        clock_skew_seconds=skew,
        notes=(*notes, f"posts to {channel}"),
    )


def _scopes(reply: Reply) -> frozenset[str] | None:
    """Return the token's scopes, None when the answer does not name them."""
    value = reply.headers.get("x-oauth-scopes")
    return None if value is None else frozenset(scope.strip() for scope in value.split(",") if scope.strip())


def _scopes_missing(reply: Reply) -> list[str]:
    scopes = _scopes(reply)
    if scopes is None:
        return []
    wanted = {_TO_POST: "post_message, update_message", _TO_UPLOAD: "charts"}
    return [f"scope {scope} for {use}" for scope, use in wanted.items() if scope not in scopes]


def _channel_missing(web: Web, channel: str) -> list[str]:
    try:
        web.look(channel)
    except AuthError as err:
        if err.code not in _OF_THE_CHANNEL:
            raise
        return [f"channel {channel}: {err}"]
    return []
