"""The fake's organisation: records, users and deletions in memory, stamped by the fake's clock in whole seconds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from connectors.zoho_crm.fake_schema import FIELDS, NAMES, Field

Row = dict[str, Any]
_FIRST_ID: Final = 554023000001000000
RECYCLED_FOR: Final = timedelta(days=60)
LISTED_FOR: Final = timedelta(days=120)


@lru_cache(maxsize=500_000)
def instant(stamp: str) -> datetime:
    """Return the point in time that a stamp of Zoho names."""
    return datetime.fromisoformat(stamp)


class Book:
    """Everything that one organisation holds. `zone` is the acting user's: Zoho writes times in it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ids = itertools.count(_FIRST_ID, 1001)
        self.zone = ZoneInfo("Asia/Shanghai")
        self.rows: dict[str, dict[str, Row]] = {module: {} for module in FIELDS}
        self.fields: dict[str, dict[str, Field]] = {m: {f.name: f for f in fields} for m, fields in FIELDS.items()}
        self.deleted: dict[str, dict[str, Row]] = {module: {} for module in FIELDS}
        self.users: dict[str, Row] = {}

    def new_id(self) -> str:
        """Return an id that was never used."""
        return str(next(self._ids))

    def stamp(self, at: datetime | None = None) -> str:
        """Return a time as Zoho writes it: whole seconds, the user's zone with its offset."""
        return (at or self._now()).astimezone(self.zone).replace(microsecond=0).isoformat()

    def person(self) -> Row:
        """Return the acting user as records name people."""
        user = next(iter(self.users.values()))
        return {"name": user["full_name"], "id": user["id"], "email": user["email"]}

    def name_of(self, module: str, row: Row) -> str | None:
        """Return what lookups show of a record."""
        return row.get(NAMES[module])

    # -- records ----------------------------------------------------------------------------------------------

    def add(self, module: str, values: Mapping[str, Any], *, at: datetime | None = None) -> Row:
        """Create a record; every field that the module has is there, null where not given."""
        stamp = self.stamp(at)
        row: Row = {name: None for name in self.fields[module] if name != "$se_module"}
        row |= {"Tag": []} if "Tag" in row else {}
        row |= {"id": self.new_id(), "Owner": self.person(), "Created_By": self.person(), "Created_Time": stamp}
        row |= {"Modified_By": self.person(), "Modified_Time": stamp}
        self._set(module, row, values)
        self.rows[module][row["id"]] = row
        return row

    def edit(self, module: str, remote_id: str, values: Mapping[str, Any], *, at: datetime | None = None) -> Row:
        """Change a record; its time of change moves even when no value does."""
        row = self.rows[module][remote_id]
        row |= {"Modified_Time": self.stamp(at), "Modified_By": self.person()}
        self._set(module, row, values)
        return row

    def remove(self, module: str, remote_id: str, *, at: datetime | None = None, for_good: bool = False) -> None:
        """Move a record to the recycle bin, or past it."""
        row = self.rows[module].pop(remote_id)
        self.deleted[module][remote_id] = {
            "id": remote_id,
            "display_name": None if for_good else self.name_of(module, row),
            "type": "permanent" if for_good else "recycle",
            "deleted_time": self.stamp(at),
            "deleted_by": None if for_good else self.person(),
            "created_by": None if for_good else row["Created_By"],
            "_row": row,
        }

    def restore(self, module: str, remote_id: str, *, at: datetime | None = None) -> None:
        """Bring a record back from the recycle bin."""
        row = self.deleted[module].pop(remote_id)["_row"]
        row["Modified_Time"] = self.stamp(at)
        self.rows[module][remote_id] = row

    def tombstones(self, module: str, kind: str) -> list[Row]:
        """Return what the list of deleted records shows, newest first."""
        now = self._now()
        shown = []
        for entry in self.deleted[module].values():
            age = now - instant(entry["deleted_time"])
            if kind in ("all", entry["type"]) and age <= (RECYCLED_FOR if entry["type"] == "recycle" else LISTED_FOR):
                shown.append({key: value for key, value in entry.items() if not key.startswith("_")})
        return sorted(shown, key=lambda row: instant(row["deleted_time"]), reverse=True)

    def find(self, row: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column, following one lookup per dot."""
        head, _, rest = column.partition(".")
        value = row.get(head)
        if not rest or not isinstance(value, Mapping):
            return value
        for rows in self.rows.values():
            if value.get("id") in rows:
                return self.find(rows[value["id"]], rest)
        return None

    def target(self, module: str, remote_id: str) -> Row | None:
        """Return a record by id, wherever `module` "*" allows any."""
        modules = [m for m in self.rows if module in ("*", m)]
        return next((self.rows[m][remote_id] for m in modules if remote_id in self.rows[m]), None)

    def _set(self, module: str, row: Row, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            row[name] = self._linked(module, name, value)
        if module == "Contacts":
            row["Full_Name"] = " ".join(filter(None, (row.get("First_Name"), row.get("Last_Name"))))
        if module == "Tasks":
            done = row.get("Status") in ("Completed", "已完成")
            row["Closed_Time"] = (row.get("Closed_Time") or row["Modified_Time"]) if done else None
        if module == "Deals" and row.get("Amount") is not None:
            row["Expected_Revenue"] = row["Amount"] * (row.get("Probability") or 0) / 100

    def _linked(self, module: str, name: str, value: Any) -> Any:
        """Complete a link with the name of what it leads to, as Zoho shows it."""
        field = self.fields[module].get(name)
        if not isinstance(value, Mapping) or field is None:
            return value
        remote_id = str(value.get("id"))
        if field.kind == "ownerlookup" and remote_id in self.users:
            user = self.users[remote_id]
            return {"name": user["full_name"], "id": remote_id, "email": user["email"]}
        if field.kind == "parent":
            parent = value["module"]["api_name"]
            link = {"api_name": parent, "id": f"5540230000000013{list(self.rows).index(parent)}"}
            return {"module": link, "name": self.name_of(parent, self.rows[parent][remote_id]), "id": remote_id}
        for other, rows in self.rows.items():
            if remote_id in rows:
                return {"name": self.name_of(other, rows[remote_id]), "id": remote_id}
        return value
