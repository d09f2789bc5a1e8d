"""The fake's metadata: modules and fields, with the types that Zoho's SDK checks values against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Field:
    """One field: API name, Zoho's data type, what it links to, and whether a writer must or may set it."""

    name: str
    kind: str = "text"
    lookup: str = ""
    mandatory: bool = False
    read_only: bool = False
    custom: bool = False


JSON_TYPES: Final = {
    "boolean": "boolean",
    "integer": "integer",
    "double": "double",
    "currency": "double",
    "percent": "integer",
    "lookup": "jsonobject",
    "ownerlookup": "jsonobject",
    "ALARM": "jsonobject",
    "multiselectpicklist": "jsonarray",
    "text_tag": "jsonarray",
}
_EVERYWHERE: Final = (
    Field("id", "bigint", read_only=True),
    Field("Owner", "ownerlookup"),
    Field("Created_By", "ownerlookup", read_only=True),
    Field("Created_Time", "datetime", read_only=True),
    Field("Modified_By", "ownerlookup", read_only=True),
    Field("Modified_Time", "datetime", read_only=True),
)
_PERSONAL: Final = (Field("Tag", "text_tag"), Field("Description", "textarea"), *_EVERYWHERE)

FIELDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "Accounts": (
        Field("Account_Name", mandatory=True),
        Field("Account_Number", "bigint"),
        Field("Account_Type", "picklist"),
        Field("Industry", "picklist"),
        Field("Employees", "integer"),
        Field("Annual_Revenue", "currency"),
        Field("Website", "website"),
        Field("Phone", "phone"),
        Field("Billing_City"),
        Field("Billing_Country"),
        Field("Parent_Account", "lookup", "Accounts"),
        Field("Rating", "picklist"),
        *_PERSONAL,
    ),
    "Contacts": (
        Field("First_Name"),
        Field("Last_Name", mandatory=True),
        Field("Full_Name", read_only=True),
        Field("Email", "email"),
        Field("Phone", "phone"),
        Field("Mobile", "phone"),
        Field("Title"),
        Field("Department"),
        Field("Account_Name", "lookup", "Accounts"),
        Field("Lead_Source", "picklist"),
        Field("Email_Opt_Out", "boolean"),
        *_PERSONAL,
    ),
    "Deals": (
        Field("Deal_Name", mandatory=True),
        Field("Stage", "picklist", mandatory=True),
        Field("Pipeline", "picklist"),
        Field("Amount", "currency"),
        Field("Currency", "picklist"),
        Field("Probability", "integer"),
        Field("Closing_Date", "date"),
        Field("Expected_Revenue", "currency", read_only=True),
        Field("Type", "picklist"),
        Field("Lead_Source", "picklist"),
        Field("Next_Step"),
        Field("Account_Name", "lookup", "Accounts"),
        Field("Contact_Name", "lookup", "Contacts"),
        *_PERSONAL,
    ),
    "Tasks": (
        Field("Subject", mandatory=True),
        Field("Status", "picklist"),
        Field("Priority", "picklist"),
        Field("Due_Date", "date"),
        Field("Closed_Time", "datetime", read_only=True),
        Field("Who_Id", "lookup", "Contacts"),
        Field("What_Id", "lookup", "*"),
        Field("$se_module"),
        *_PERSONAL,
    ),
    "Notes": (
        Field("Note_Title"),
        Field("Note_Content", "textarea", mandatory=True),
        Field("Parent_Id", "parent", mandatory=True),
        *_EVERYWHERE,
    ),
}
NAMES: Final = {
    "Accounts": "Account_Name",
    "Contacts": "Full_Name",
    "Deals": "Deal_Name",
    "Tasks": "Subject",
    "Notes": "Note_Title",
}
CHECK_FIELDS: Final = {"Accounts": "Account_Name", "Contacts": "Email", "Deals": "Deal_Name"}


def field_metadata(module: str, field: Field, number: int) -> dict[str, Any]:
    """Return one entry of `settings/fields`."""
    lookup = {"module": {"api_name": field.lookup, "id": "554023000000000131"}} if field.lookup not in ("", "*") else {}
    return {
        "api_name": field.name,
        "field_label": field.name.replace("_", " "),
        "display_label": field.name.replace("_", " "),
        "data_type": "text" if field.kind in ("text_tag", "parent") else field.kind,
        "json_type": JSON_TYPES.get(field.kind, "string"),
        "id": f"55402300000{sum(map(ord, module)) % 90 + 10:02d}{number:06d}",
        "length": 255,
        "system_mandatory": field.mandatory,
        "field_read_only": field.read_only,
        "read_only": field.read_only,
        "custom_field": field.custom,
        "visible": True,
        "unique": {},
        "external": None,
        "lookup": lookup,
        "pick_list_values": [],
        "decimal_place": 2 if field.kind in ("currency", "double") else None,
        "currency": {"precision": 2, "rounding_option": "normal"} if field.kind == "currency" else {},
        "multiselectlookup": {},
        "subform": None,
        "auto_number": {},
        "formula": {},
        "operation_type": {
            "web_update": True,
            "api_create": not field.read_only,
            "web_create": True,
            "api_update": True,
        },
    }


def module_metadata() -> list[dict[str, Any]]:
    """Return the entries of `settings/modules`."""
    return [
        {
            "api_name": name,
            "module_name": name,
            "singular_label": name.removesuffix("s"),
            "plural_label": name,
            "id": f"5540230000000001{number:02d}",
            "api_supported": True,
            "creatable": True,
            "editable": True,
            "deletable": True,
            "viewable": True,
            "generated_type": "default",
            "visibility": 1,
            "modified_time": None,
        }
        for number, name in enumerate(FIELDS, start=31)
    ]
