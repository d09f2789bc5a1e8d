"""What the parts of the fake share: login, scopes, and Zoho's way of saying no."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from connectors.zoho_crm.fake_book import Book
from syncd.sdk.fake import Answer, FakeServer, Request, route

CLIENT_ID: Final = "1000.FAKECLIENT"
CLIENT_SECRET: Final = "fake-client-secret"  # noqa: S105 - opens nothing but the fake
REFRESH_TOKEN: Final = "1000.fake-refresh.token"  # noqa: S105
TOKEN_LIFE: Final = timedelta(hours=1)
TOKEN_WINDOW: Final = timedelta(minutes=10)
TOKENS_PER_WINDOW: Final = 10
ACTIVE_TOKENS: Final = 15
ALL_SCOPES: Final = frozenset(
    {
        "ZohoCRM.modules.ALL",
        "ZohoCRM.settings.ALL",
        "ZohoCRM.users.READ",
        "ZohoCRM.org.READ",
        "ZohoCRM.coql.READ",
        "ZohoSearch.securesearch.READ",
    }
)
API: Final = r"/crm/v[678]"
MODULE: Final = r"(?!users\b|org\b|coql\b|settings\b)([A-Za-z][A-Za-z0-9_]*)"
_GRANT: Final = frozenset({"grant_type", "client_id", "client_secret", "refresh_token"})


def failure(status: int, code: str, message: str, **details: Any) -> Answer:
    """Return an error as a whole answer."""
    return Answer(status, refusal(code, message, **details))


def refusal(code: str, message: str, **details: Any) -> dict[str, Any]:
    """Return an error in Zoho's envelope."""
    return {"code": code, "details": details, "message": message, "status": "error"}


class FakeBase(FakeServer):
    """Login and errors. `scopes` is what the refresh token may do, `is_admin` whether its user may list all notes.

    `tells_scopes`: the token answer names the scopes; seen in Zoho's sample of the code exchange, assumed of renewals.
    """

    public_paths: ClassVar[tuple[str, ...]] = ("/oauth/v2/token",)

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(self.now)
        self.scopes: set[str] = set(ALL_SCOPES)
        self.is_admin = True
        self.tells_scopes = True
        self.credits_left: int | None = None
        self.refresh_tokens = {REFRESH_TOKEN}
        self._active: list[tuple[str, datetime]] = []
        self._issued: list[datetime] = []

    @route("POST", "/oauth/v2/token", params=_GRANT)
    def renew(self, request: Request) -> Answer:
        """Give an access token; errors come with status 200, as Zoho sends them."""
        form = {**request.query, **(request.body if isinstance(request.body, Mapping) else {})}
        self.writes -= 1  # a login changes no record
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return Answer(200, {"error": "invalid_client"})
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") not in self.refresh_tokens:
            return Answer(200, {"error": "invalid_code"})
        now = self.now()
        self._issued = [at for at in self._issued if at > now - TOKEN_WINDOW]
        if len(self._issued) >= TOKENS_PER_WINDOW:
            text = "You have made too many requests continuously. Please try again after some time."
            return Answer(200, {"error": "Access Denied", "error_description": text, "status": "failure"})
        self._issued.append(now)
        token = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        self._active = [*self._active, (token, now + TOKEN_LIFE)][-ACTIVE_TOKENS:]
        scope = {"scope": " ".join(sorted(self.scopes))} if self.tells_scopes else {}
        body = {"access_token": token, "api_domain": self.url, "token_type": "Bearer", "expires_in": 3600}
        return Answer(200, body | scope)

    def revoke_access(self) -> None:
        """End all access tokens before their time."""
        with self.lock:
            self._active.clear()

    def authorize(self, request: Request) -> Answer | None:
        """Let in who brings a living access token under Zoho's own scheme."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        living = {token for token, end in self._active if end > self.now()}
        return None if scheme == "Zoho-oauthtoken" and token in living else self.expired()

    def lacks(self, *any_of: str) -> Answer | None:
        """Return the refusal when none of these scopes was granted."""
        if {scope.lower() for scope in any_of} & {scope.lower() for scope in self.scopes}:
            return None
        return failure(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")

    def lacks_module(self, module: str, *actions: str) -> Answer | None:
        """Return the refusal when the module does not exist or its scope was not granted."""
        if module not in self.book.rows:
            return failure(400, "INVALID_MODULE", "the module name given seems to be invalid", resource_path_index=0)
        wanted = [f"ZohoCRM.modules.{module}.{action}" for action in ("ALL", *actions)]
        return self.lacks("ZohoCRM.modules.ALL", *wanted)

    # -- Zoho's dialect ---------------------------------------------------------------------------------------

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Return an error of the server itself."""
        names = {404: "INVALID_URL_PATTERN", 410: "INVALID_URL_PATTERN", 500: "INTERNAL_ERROR"}
        return failure(status, code or names.get(status, "INVALID_DATA"), message)

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Return Zoho's answer to too many calls."""
        answer = failure(429, "TOO_MANY_REQUESTS", "You have exceeded the API limit")
        return Answer(answer.status, answer.body, headers)

    def expired(self) -> Answer:
        """Return Zoho's answer to a token that is not valid."""
        return failure(401, "INVALID_TOKEN", "invalid oauth token")

    def forbidden(self) -> Answer:
        """Return Zoho's answer to a right that the profile lacks."""
        return failure(403, "NO_PERMISSION", "permission denied", permissions=["Crm_Implied_View_Records"])

    def server_error(self) -> Answer:
        """Return Zoho's internal error."""
        return failure(500, "INTERNAL_ERROR", "Internal server error occurred.")

    def error_in_200(self) -> Answer:
        """Return an error envelope under a success status, as v8 does with 202."""
        return Answer(200, refusal("INTERNAL_ERROR", "Internal server error occurred."))

    def _dispatch(self, request: Request) -> Answer:
        answer = super()._dispatch(request)
        if self.credits_left is None:
            return answer
        headers = {**answer.headers, "X-API-CREDITS-REMAINING": str(self.credits_left)}
        return Answer(answer.status, answer.body, headers, answer.raw)
