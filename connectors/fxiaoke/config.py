"""Which tenant to talk to: cloud, way of login, credentials, objects."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from connectors.fxiaoke.objects import ACCOUNT, CONTACT, FOLLOW_UP
from syncd.sdk import ConnectorConfig


class Cloud(StrEnum):
    """Where Fxiaoke keeps the tenant; nothing tells it but the address that people log in at."""

    FXIAOKE = "fxiaoke"
    HUAWEI = "huawei"
    ALIYUN = "aliyun"
    HONG_KONG = "hong_kong"
    FRANKFURT = "frankfurt"
    NORTH_AMERICA = "north_america"


class Style(StrEnum):
    """How a call shows its token: in three headers (current), or in the body (older, still accepted)."""

    HEADER = "header"
    BODY = "body"


# Source: developer.fxiaoke.com/openapi_v2, calling rules, read through public digests of September 2026.
HOSTS: Final[dict[Cloud, str]] = {
    Cloud.FXIAOKE: "open.fxiaoke.com",
    Cloud.HUAWEI: "open-hwcloud.fxiaoke.com",
    Cloud.ALIYUN: "open-ale.fxiaoke.com",
    Cloud.HONG_KONG: "open-ksc.sharecrm.com",
    Cloud.FRANKFURT: "open-hws.fxiaoke.com",
    Cloud.NORTH_AMERICA: "open-na.sharecrm.com",
}
OPEN_USER: Final = "FSUID_"
_READ_ANYWAY: Final = frozenset({ACCOUNT, CONTACT, FOLLOW_UP})
ApiName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100)]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(Obj|__c)$", max_length=100)]


class FxiaokeConfig(ConnectorConfig):
    """The `config:` block of a Fxiaoke connection.

    `acting_user` decides what is seen: its CRM id (`1000`) with the style `header`, its `FSUID_…` with `body`.
    `objects` are read besides the usual ones, preset (`CasesObj`) or own (`object_ab12c__c`). `create_task` makes
    records of `task_object`, their text in `task_text`. `key_field` is a text field that carries our mark instead of
    the text. `owner` (`FSUID_…`) owns what we write.
    """

    cloud: Cloud = Cloud.FXIAOKE
    style: Style = Style.HEADER
    app_id: str = Field(min_length=1)
    app_secret: SecretStr
    permanent_code: SecretStr
    acting_user: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    opportunity_object: Literal["NewOpportunityObj", "OpportunityObj"] = "NewOpportunityObj"
    task_object: ObjectName = "ScheduleObj"
    task_text: ApiName = "content"
    objects: tuple[ObjectName, ...] = ()
    key_field: ApiName | None = None
    follow_up_type: str | None = None
    owner: str | None = Field(default=None, pattern=rf"^{OPEN_USER}[A-Za-z0-9]+$")
    trigger_workflow: bool = False
    watch_invalid: bool = True
    base_url: str | None = None

    @property
    def address(self) -> str:
        """The address of the gateway."""
        return (self.base_url or f"https://{HOSTS[self.cloud]}").rstrip("/")

    @property
    def writes_for(self) -> str | None:
        """The employee who owns what we write, as far as the configuration tells."""
        return self.owner or (self.acting_user if self.style is Style.BODY else None)

    @field_validator("base_url")
    @classmethod
    def _is_plain_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError(f"{value!r} is not an address such as https://open.fxiaoke.com")
        return value

    @model_validator(mode="after")
    def _user_fits_the_style(self) -> Self:
        if (self.style is Style.BODY) != self.acting_user.startswith(OPEN_USER):
            wanted = "its FSUID_…" if self.style is Style.BODY else "its CRM id such as 1000"
            raise ValueError(f"acting_user {self.acting_user!r}: with style {self.style.value!r} give {wanted}")
        return self

    @model_validator(mode="after")
    def _reads_each_object_once(self) -> Self:
        usual = _READ_ANYWAY | {self.opportunity_object}
        for name in self.objects:
            if name in usual:
                raise ValueError(f"objects: {name!r} has a stream of its own")
        if len(set(self.objects)) < len(self.objects):
            raise ValueError("objects: a name stands there twice")
        return self
