"""The check of a connection: who we are, and which rights are missing, in six requests at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from connectors.zoho_crm.config import Environment, ZohoCrmConfig
from connectors.zoho_crm.errors import RIGHT_REFUSED
from connectors.zoho_crm.modules import MODULES, Module
from connectors.zoho_crm.reading import known_fields
from syncd.sdk import ApiClient, AuthError, ConnectorContext, Identity, Reply

USERS_SCOPE: Final = "ZohoCRM.users.READ"
ORG_SCOPE: Final = "ZohoCRM.org.READ"
COQL_SCOPE: Final = "ZohoCRM.coql.READ"
CREDITS_HEADER: Final = "x-api-credits-remaining"


class Checker:
    """One check. `granted` gives the scopes named by the last renewal of the access token, None when it named none."""

    def __init__(
        self,
        api: ApiClient,
        path: str,
        config: ZohoCrmConfig,
        context: ConnectorContext,
        *,
        granted: Callable[[], frozenset[str] | None],
    ) -> None:
        self._api = api
        self._path = path
        self._config = config
        self._context = context
        self._granted = granted
        self._missing: list[str] = []
        self._notes: list[str] = []
        self._last: Reply | None = None

    def identity(self) -> Identity:
        """Ask Zoho and return what it says."""
        user = _first(self._get("users", f"users: scope {USERS_SCOPE}", {"type": "CurrentUser"}), "users")
        org = _first(self._get("org", f"organisation: scope {ORG_SCOPE}"), "org")
        self._probe_rights()
        self._compare_scopes()
        self._look_for_fields()
        if self._config.environment is not Environment.PRODUCTION:
            self._notes.append(f"environment {self._config.environment.value}: not the live organisation")
        return Identity(
            name=str(user.get("full_name") or user.get("email") or "unknown user"),
            tenant=str(org.get("company_name") or ""),
            missing=tuple(dict.fromkeys(self._missing)),
            clock_skew_seconds=self._skew(),
            quota_left=self._credits(),
            notes=tuple(self._notes),
        )

    def _probe_rights(self) -> None:
        """Try the three reads whose right a scope alone does not give; accounts and tasks are covered on the way."""
        accounts, notes = MODULES["accounts"], MODULES["notes"]
        self._get(
            "Accounts/deleted",
            f"accounts: scope {accounts.scope} and the profile's right to see deleted records",
            {"type": "all", "per_page": 1},
        )
        self._get("Notes", f"notes: scope {notes.scope} and {notes.right}", {"fields": "id", "per_page": 1})
        query = {"select_query": "select id from Tasks where id is not null limit 1"}
        self._try(
            lambda: self._api.search(f"{self._path}/coql", query),
            f"create_task: scope {COQL_SCOPE} with {MODULES['tasks'].scope}, to find a task again",
        )

    def _compare_scopes(self) -> None:
        """Name the module scopes that the token answer leaves out, where it names scopes at all."""
        granted = self._granted()
        if granted is not None:
            lacking = [module for module in MODULES.values() if not _has_scope(granted, module)]
            probed = {line.split(":")[0] for line in self._missing}
            self._missing += [f"{m.stream}: scope {m.scope}" for m in lacking if m.stream not in probed]

    def _look_for_fields(self) -> None:
        for module in MODULES.values():
            wanted = self._config.fields.get(module.name, ())  # type: ignore[call-overload]
            if wanted:
                known = known_fields(self._api, self._path, module)
                self._notes += [
                    f"fields.{module.name}: {field!r} is not a field of this organisation"
                    for field in wanted
                    if field not in known and not field.startswith("$")
                ]

    def _get(self, path: str, needs: str, params: Mapping[str, Any] | None = None) -> Any:
        reply = self._try(lambda: self._api.get(f"{self._path}/{path}", params), needs)
        return reply.json if reply and reply.status == 200 else None

    def _try(self, call: Callable[[], Reply], needs: str) -> Reply | None:
        """Return the answer; None when a right is missing, which is noted as `needs`."""
        try:
            self._last = call()
        except AuthError as err:
            if err.code not in RIGHT_REFUSED:
                raise
            self._missing.append(needs)
            return None
        return self._last

    def _skew(self) -> float | None:
        date = self._last.date if self._last else None
        return (date - self._context.now()).total_seconds() if date else None

    def _credits(self) -> int | None:
        """Return the credits left; Zoho tells them once half of the day's are used."""
        left = self._last.headers.get(CREDITS_HEADER, "") if self._last else ""
        return int(left) if left.isdigit() else None


def _first(body: Any, key: str) -> Mapping[str, Any]:
    rows = body.get(key) if isinstance(body, Mapping) else None
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else {}


def _has_scope(granted: frozenset[str], module: Module) -> bool:
    name = module.name.lower()
    wanted = {"zohocrm.modules.all", f"zohocrm.modules.{name}.all", f"zohocrm.modules.{name}.read"}
    return bool(wanted & {scope.lower() for scope in granted})
