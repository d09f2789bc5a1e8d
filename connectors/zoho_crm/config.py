"""Which Zoho CRM to talk to: data centre, environment, credentials, fields."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from connectors.zoho_crm.modules import MAX_FIELDS, MODULES
from syncd.sdk import ConnectorConfig


class DataCenter(StrEnum):
    """Where Zoho keeps the organisation; tokens of one centre are unknown to the others."""

    US = "us"
    EU = "eu"
    IN = "in"
    AU = "au"
    CN = "cn"
    JP = "jp"
    CA = "ca"
    SA = "sa"


class Environment(StrEnum):
    """Which copy of the organisation; tokens are bound to one."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    DEVELOPER = "developer"


# Source: Zoho's Python SDK 7.0.0 (crm/api/dc), read 2026-11-21. Accounts host, API domain.
HOSTS: Final[dict[DataCenter, tuple[str, str]]] = {
    DataCenter.US: ("accounts.zoho.com", "zohoapis.com"),
    DataCenter.EU: ("accounts.zoho.eu", "zohoapis.eu"),
    DataCenter.IN: ("accounts.zoho.in", "zohoapis.in"),
    DataCenter.AU: ("accounts.zoho.com.au", "zohoapis.com.au"),
    DataCenter.CN: ("accounts.zoho.com.cn", "zohoapis.com.cn"),
    DataCenter.JP: ("accounts.zoho.jp", "zohoapis.jp"),
    DataCenter.CA: ("accounts.zohocloud.ca", "zohoapis.ca"),
    DataCenter.SA: ("accounts.zoho.sa", "zohoapis.sa"),
}
_SUBDOMAINS: Final = {
    Environment.PRODUCTION: "www",
    Environment.SANDBOX: "sandbox",
    Environment.DEVELOPER: "developer",
}

ModuleName = Literal["Accounts", "Contacts", "Deals", "Tasks", "Notes"]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z$][A-Za-z0-9_$]*$", max_length=100)]
Trigger = Literal["workflow", "approval", "blueprint", "pathfinder", "orchestration"]


class ZohoCrmConfig(ConnectorConfig):
    """The `config:` block of a Zoho CRM connection.

    `fields` adds fields to what is read of a module, by API name. `trigger` names the automations that our writes may
    start; none by default, so that a synchronised field mails nobody; null leaves it to Zoho, which starts all.
    """

    data_center: DataCenter = DataCenter.US
    environment: Environment = Environment.PRODUCTION
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    refresh_token: SecretStr
    version: Literal["v6", "v7", "v8"] = "v8"
    api_url: str | None = None
    accounts_url: str | None = None
    fields: dict[ModuleName, tuple[FieldName, ...]] = Field(default_factory=dict)
    trigger: tuple[Trigger, ...] | None = ()

    @property
    def api_base(self) -> str:
        """The API's address, without path."""
        domain = HOSTS[self.data_center][1]
        return (self.api_url or f"https://{_SUBDOMAINS[self.environment]}.{domain}").rstrip("/")

    @property
    def token_url(self) -> str:
        """The address that turns the refresh token into access tokens."""
        base = self.accounts_url or f"https://{HOSTS[self.data_center][0]}"
        return f"{base.rstrip('/')}/oauth/v2/token"

    @field_validator("api_url", "accounts_url")
    @classmethod
    def _is_plain_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError(f"{value!r} is not an address such as https://www.zohoapis.com")
        return value

    @model_validator(mode="after")
    def _asks_for_few_fields(self) -> Self:
        for module in MODULES.values():
            asked = module.with_fields(self.fields.get(module.name, ())).fields  # type: ignore[call-overload]
            if len(asked) > MAX_FIELDS:
                raise ValueError(
                    f"fields.{module.name}: {len(asked)} fields with the built-in ones; Zoho gives {MAX_FIELDS} at most"
                )
        return self
