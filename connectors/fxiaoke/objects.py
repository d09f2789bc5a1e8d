"""The CRM objects: which stream reads which, and under which paths an object answers."""

from __future__ import annotations

from typing import Final

ACCOUNT: Final = "AccountObj"
CONTACT: Final = "ContactObj"
FOLLOW_UP: Final = "ActiveRecordObj"
ACCOUNTS: Final = "accounts"
CONTACTS: Final = "contacts"
OPPORTUNITIES: Final = "opportunities"
ACTIVITIES: Final = "activities"
OBJECTS: Final = "objects"
USERS: Final = "users"
FIXED: Final = {ACCOUNTS: ACCOUNT, CONTACTS: CONTACT, ACTIVITIES: FOLLOW_UP}
_OWN: Final = "__c"


def is_own(name: str) -> bool:
    """Say whether `name` is an object that the tenant made."""
    return name.endswith(_OWN)


def path_of(name: str, action: str) -> str:
    """Return the path of `action` on an object; own objects answer under another one than preset objects."""
    family = "custom/v2" if is_own(name) else "v2"
    return f"/cgi/crm/{family}/data/{action}"
