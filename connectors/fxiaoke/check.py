"""The check of a connection: who we are, which objects are there, what may be read, in six requests at most."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connectors.fxiaoke.config import OPEN_USER, FxiaokeConfig
from connectors.fxiaoke.gateway import Gateway
from connectors.fxiaoke.objects import ACCOUNT, ACCOUNTS, ACTIVITIES, CONTACT, CONTACTS, FOLLOW_UP, OPPORTUNITIES
from syncd.sdk import AuthError, ConnectorContext, ContractError, Identity

_OTHER_OPPORTUNITY = {"NewOpportunityObj": "OpportunityObj", "OpportunityObj": "NewOpportunityObj"}


class Checker:
    """One check."""

    def __init__(self, gateway: Gateway, config: FxiaokeConfig, context: ConnectorContext) -> None:
        self._gateway = gateway
        self._config = config
        self._context = context
        self._missing: list[str] = []
        self._notes: list[str] = []
        self._vendor_time: datetime | None = None

    def identity(self) -> Identity:
        """Ask Fxiaoke and return what it says."""
        self._look_for_objects()
        name = self._name()
        self._try_to_read(ACCOUNTS, ACCOUNT)
        self._try_to_read(ACTIVITIES, FOLLOW_UP)
        self._look_for_fields()
        token = self._context.tokens.load()
        skew = (self._vendor_time - self._context.now()).total_seconds() if self._vendor_time else None
        return Identity(
            name=name,
            tenant=token.tenant if token else "",
            missing=tuple(self._missing),
            clock_skew_seconds=skew,
            notes=tuple(self._notes),
        )

    def _look_for_objects(self) -> None:
        active = {name for name, is_active in self._gateway.objects().items() if is_active}
        opportunity = self._config.opportunity_object
        wanted = {ACCOUNTS: ACCOUNT, CONTACTS: CONTACT, OPPORTUNITIES: opportunity, ACTIVITIES: FOLLOW_UP}
        wanted |= {f"objects {name}": name for name in self._config.objects}
        for stream, name in wanted.items():
            if name not in active:
                hint = _OTHER_OPPORTUNITY.get(name)
                way_out = f"; set opportunity_object: {hint}" if hint in active else ""
                self._missing.append(f"{stream}: the object {name} is not there, or not active{way_out}")
        if self._config.task_object not in active:
            self._notes.append(f"create_task: the object {self._config.task_object} is not there; set task_object")

    def _name(self) -> str:
        """Return who acts. The directory knows people by their FSUID alone, so a CRM id stays a number."""
        user = self._config.acting_user
        try:
            if not user.startswith(OPEN_USER):
                self._gateway.employees()
                return f"employee {user}"
            return str(self._gateway.employee(user).get("name") or user)
        except (AuthError, ContractError) as err:
            self._missing.append(f"users: the app's right to read the address book ({_short(err)})")
            return user

    def _try_to_read(self, stream: str, name: str) -> None:
        try:
            self._vendor_time = self._gateway.query(name, [], limit=1).at
        except ContractError as err:
            if err.code is None:
                raise
            self._missing.append(
                f"{stream}: acting_user {self._config.acting_user} may not read {name} ({_short(err)})"
            )

    def _look_for_fields(self) -> None:
        """Compare what the configuration names with the fields of a follow-up."""
        key, kind = self._config.key_field, self._config.follow_up_type
        if not key and not kind:
            return
        fields = self._gateway.fields(FOLLOW_UP)
        if key and key not in fields:
            self._missing.append(f"create_follow_up: key_field {key!r} is no field of {FOLLOW_UP}")
        options = fields.get("active_record_type", {}).get("options")
        known = {
            str(option.get("value")): option.get("label") for option in options or () if isinstance(option, Mapping)
        }
        if kind and known and kind not in known:
            choice = ", ".join(f"{value} ({label})" for value, label in known.items())
            self._missing.append(f"create_follow_up: follow_up_type {kind!r} is none of {choice}")


def _short(err: Exception) -> str:
    return str(err).partition(": ")[2][:160]
