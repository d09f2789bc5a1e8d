"""纷享销客 Fxiaoke imitated on loopback: one tenant that keeps state, with Fxiaoke's limits and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from connectors.fxiaoke.fake_base import APP_ID, APP_SECRET, PERMANENT_CODE
from connectors.fxiaoke.fake_book import millis
from connectors.fxiaoke.fake_calls import FakeCalls

__all__ = ["APP_ID", "APP_SECRET", "PERMANENT_CODE", "Fake"]

ADMIN: Final = "1000"
_COMPANIES: Final = (
    ("上海澄远科技有限公司", "https://www.chengyuan.example", "李强", "li.qiang@chengyuan.example"),
    ("杭州示例软件", "https://shili.example", "陈晨", "chen.chen@shili.example"),
    ("Northwind Shanghai Ltd", "https://northwind.example", "Lena Kraus", "lena.kraus@northwind.example"),
)


class Fake(FakeCalls):
    """The fake with its seeding; every `add_…` returns the new id, `at` is the record's time of change.

    Further fields are given by their API names: `add_account("澄远", industry="5")`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.admin = self.add_user("王敏", email="wang.min@agency.example", position="销售经理")

    def config(self, *, style: str = "header") -> dict[str, Any]:
        """Return the `config:` block of a connection to this fake."""
        return {
            "style": style,
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "permanent_code": PERMANENT_CODE,
            "acting_user": ADMIN if style == "header" else self.admin,
            "base_url": self.url,
        }

    # -- seeding ----------------------------------------------------------------------------------------------

    def add_user(self, name: str, *, email: str = "", stopped: bool = False, **fields: Any) -> str:
        """Add an employee; the first one is the administrator, with the CRM id 1000."""
        with self.lock:
            number = len(self.users)
            open_id = f"FSUID_FAKE{number + 1:04X}"
            self.crm_ids[str(int(ADMIN) + number)] = open_id
            self.users[open_id] = {
                "openUserId": open_id,
                "name": name,
                "nickName": name,
                "isStop": stopped,
                "email": email,
                "mobile": f"138{number:08d}",
                "position": "",
                "departmentIds": [999999],
                "mainDepartmentId": 999999,
                "createTime": millis(datetime(2024, 1, 2, 1, tzinfo=UTC)),
                **fields,
            }
            return open_id

    def add_account(self, name: str, *, owner: str | None = None, at: datetime | None = None, **fields: Any) -> str:
        """Add a client company (客户)."""
        return self.add("AccountObj", {"name": name, "owner": _list(owner), **fields}, at=at)

    def add_contact(
        self,
        name: str,
        *,
        account: str | None = None,
        owner: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a person at a client (联系人)."""
        return self.add("ContactObj", {"name": name, "account_id": account, "owner": _list(owner), **fields}, at=at)

    def add_opportunity(
        self,
        name: str,
        *,
        account: str | None = None,
        amount: str | None = None,
        probability: str | None = None,
        close_date: date | None = None,
        owner: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add an opportunity (商机2.0); its close date is a day in China."""
        day = millis(datetime(close_date.year, close_date.month, close_date.day, tzinfo=UTC)) if close_date else None
        values: dict[str, Any] = {"name": name, "account_id": account, "amount": amount, "probability": probability}
        values |= {"close_date": day - 8 * 3_600_000 if day is not None else None, "owner": _list(owner)}
        stage = {"sales_stage": "1", "sales_status": "1"}
        return self.add("NewOpportunityObj", {**stage, **values, **fields}, at=at)

    def add_follow_up(
        self, content: str, *, about: Sequence[tuple[str, str]] = (), at: datetime | None = None, **fields: Any
    ) -> str:
        """Add a follow-up record (销售记录); `about` are pairs of object and id."""
        links = [
            {"describe_api_name": name, "id": remote_id, "name": self.book.rows[name][remote_id]["name"]}
            for name, remote_id in about
        ]
        names = [name for name, _ in about]
        values = {"active_record_content": content, "related_object_data": links, "related_api_names": names}
        return self.add("ActiveRecordObj", {**values, **fields}, at=at)

    def add_object(self, name: str, *fields: str) -> None:
        """Define an object, own (`object_x__c`) or preset, with fields besides the usual ones."""
        with self.lock:
            self.book.define(name, fields)

    def add(self, name: str, values: dict[str, Any], *, at: datetime | None = None) -> str:
        """Add a record of any object."""
        with self.lock:
            return str(self.book.add(name, values, self.admin, at=at)["_id"])

    def edit(self, name: str, remote_id: str, *, at: datetime | None = None, **values: Any) -> None:
        """Change a record."""
        with self.lock:
            self.book.edit(name, remote_id, values, at=at)

    def invalidate(self, name: str, remote_id: str, *, at: datetime | None = None) -> None:
        """Make a record invalid (作废): the first step of a removal, which can be taken back."""
        with self.lock:
            self.book.edit(name, remote_id, {"life_status": "invalid", "life_status_before_invalid": "normal"}, at=at)

    def recover(self, name: str, remote_id: str, *, at: datetime | None = None) -> None:
        """Make an invalid record valid again."""
        with self.lock:
            self.book.edit(name, remote_id, {"life_status": "normal"}, at=at)

    def remove(self, name: str, remote_id: str) -> None:
        """Delete a record for good."""
        with self.lock:
            del self.book.rows[name][remote_id]

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return copies of what an object holds, oldest first."""
        with self.lock:
            return [dict(row) for row in self.book.rows[name].values()]

    def seed_clients(self, *, at: datetime | None = None) -> dict[str, dict[str, str]]:
        """Add three client companies with a contact and an opportunity each; returns name → their ids."""
        seeded = {}
        for number, (name, website, person, email) in enumerate(_COMPANIES, start=1):
            account = self.add_account(name, website=website, at=at)
            contact = self.add_contact(person, account=account, email=email, job_title="IT 总监", at=at)
            opportunity = self.add_opportunity(
                f"{name}-二期",
                account=account,
                amount=f"{number * 120_000}.00",
                probability="60",
                close_date=date(2026, 6, 30),
                at=at,
            )
            seeded[name] = {"account": account, "contact": contact, "opportunity": opportunity}
        return seeded


def _list(one: str | None) -> list[str] | None:
    return [one] if one else None
