"""The modules of Zoho CRM that are read, and what is asked of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

MAX_FIELDS: Final = 50


@dataclass(frozen=True, slots=True)
class Module:
    """One module: its stream, its API name, the fields asked for.

    `reports_deletes`: it has a list of deleted records. `has_tokens`: its list continues by page token, else by page
    number. `right` is what a reader needs besides the module's scope.
    """

    stream: str
    name: str
    fields: tuple[str, ...]
    reports_deletes: bool = True
    has_tokens: bool = True
    right: str = ""

    @property
    def scope(self) -> str:
        """The OAuth scope that reads this module."""
        return f"ZohoCRM.modules.{self.name.lower()}.READ"

    def with_fields(self, extra: Iterable[str]) -> Module:
        """Return the module with more fields asked for, each once."""
        return replace(self, fields=tuple(dict.fromkeys((*self.fields, *extra))))

    def without_fields(self, gone: Iterable[str]) -> Module:
        """Return the module with fewer fields asked for."""
        dropped = frozenset(gone)
        return replace(self, fields=tuple(field for field in self.fields if field not in dropped))


_EVERYWHERE: Final = ("Owner", "Created_Time", "Modified_Time")
_PERSONAL: Final = ("Tag", *_EVERYWHERE)

MODULES: Final[dict[str, Module]] = {
    module.stream: module
    for module in (
        Module(
            "accounts",
            "Accounts",
            (
                "Account_Name",
                "Account_Type",
                "Industry",
                "Website",
                "Phone",
                "Billing_City",
                "Billing_Country",
                "Parent_Account",
                "Rating",
                *_PERSONAL,
            ),
        ),
        Module(
            "contacts",
            "Contacts",
            (
                "First_Name",
                "Last_Name",
                "Full_Name",
                "Email",
                "Phone",
                "Mobile",
                "Title",
                "Department",
                "Account_Name",
                "Email_Opt_Out",
                *_PERSONAL,
            ),
        ),
        Module(
            "deals",
            "Deals",
            (
                "Deal_Name",
                "Stage",
                "Pipeline",
                "Amount",
                "Currency",
                "Probability",
                "Closing_Date",
                "Type",
                "Next_Step",
                "Account_Name",
                "Contact_Name",
                *_PERSONAL,
            ),
        ),
        Module(
            "tasks",
            "Tasks",
            (
                "Subject",
                "Status",
                "Priority",
                "Due_Date",
                "Closed_Time",
                "Description",
                "What_Id",
                "Who_Id",
                "$se_module",
                *_EVERYWHERE,
            ),
        ),
        Module(
            "notes",
            "Notes",
            ("Note_Title", "Note_Content", "Parent_Id", *_EVERYWHERE),
            reports_deletes=False,
            has_tokens=False,
            right="a user with an administrator's profile",
        ),
    )
}
