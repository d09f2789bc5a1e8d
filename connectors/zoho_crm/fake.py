"""Zoho CRM imitated on loopback: one organisation that keeps state, with Zoho's limits and its ways of refusing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from connectors.zoho_crm.fake_base import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from connectors.zoho_crm.fake_reads import FakeReads
from connectors.zoho_crm.fake_schema import Field
from connectors.zoho_crm.fake_writes import FakeWrites

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "Fake"]

_COMPANIES: Final = (
    ("精密制造有限公司", "https://www.jingmi.example", "制造业", "王 芳", "wang.fang@jingmi.example"),
    ("Northwind GmbH", "https://northwind.example", "Manufacturing", "Lena Kraus", "lena.kraus@northwind.example"),
    ("海川物流集团", "http://haichuan.example/", "物流", "李 伟", "li.wei@haichuan.example"),
    ("Contoso AB", "contoso.example", "Retail", "Erik Lind", "Erik.Lind@Contoso.example"),
)


class Fake(FakeReads, FakeWrites):
    """The fake with its seeding; every `add_…` returns the new id, `at` is the record's time of change.

    Further fields are given by their API names: `add_deal("Phase 2", account=a, Next_Step="send quote")`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_user("Ann Lee", "ann@agency.example")

    def config(self) -> dict[str, Any]:
        """Return the `config:` block of a connection to this fake."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
            "api_url": self.url,
            "accounts_url": self.url,
        }

    # -- seeding ----------------------------------------------------------------------------------------------

    def add_user(
        self,
        name: str,
        email: str,
        *,
        status: str = "active",
        profile: str = "Administrator",
        at: datetime | None = None,
    ) -> str:
        """Add a user of the agency; the first one is who the refresh token acts for."""
        with self.lock:
            stamp, remote_id = self.book.stamp(at), self.book.new_id()
            first, _, last = name.rpartition(" ")
            self.book.users[remote_id] = {
                "id": remote_id,
                "full_name": name,
                "first_name": first,
                "last_name": last,
                "email": email,
                "status": status,
                "confirm": True,
                "role": {"name": "CEO", "id": "554023000000026005"},
                "profile": {"name": profile, "id": "554023000000026011"},
                "time_zone": str(self.book.zone),
                "locale": "zh_CN",
                "country_locale": "zh_CN",
                "zuid": f"8{remote_id[-7:]}",
                "type__s": "Regular User",
                "phone": None,
                "mobile": None,
                "created_time": stamp,
                "Modified_Time": stamp,
                "Isonline": False,
            }
            return remote_id

    def edit_user(self, remote_id: str, *, at: datetime | None = None, **values: Any) -> None:
        """Change a user."""
        with self.lock:
            self.book.users[remote_id] |= {**values, "Modified_Time": self.book.stamp(at)}

    def add_account(
        self,
        name: str,
        *,
        website: str | None = None,
        owner: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a client company."""
        return self._add("Accounts", at, fields, Account_Name=name, Website=website, Owner=_link(owner))

    def add_contact(
        self,
        last_name: str,
        *,
        first_name: str | None = None,
        email: str | None = None,
        account: str | None = None,
        owner: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a person at a client."""
        names = {"Last_Name": last_name, "First_Name": first_name, "Email": email, "Email_Opt_Out": False}
        return self._add("Contacts", at, {**names, **fields}, Account_Name=_link(account), Owner=_link(owner))

    def add_deal(
        self,
        name: str,
        *,
        account: str | None = None,
        contact: str | None = None,
        stage: str = "Qualification",
        amount: float | None = None,
        currency: str | None = "CNY",
        probability: int | None = None,
        closing_date: date | None = None,
        owner: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a deal."""
        values = {"Deal_Name": name, "Stage": stage, "Amount": amount, "Currency": currency, "Probability": probability}
        values["Closing_Date"] = closing_date.isoformat() if closing_date else None
        links = {"Account_Name": _link(account), "Contact_Name": _link(contact), "Owner": _link(owner)}
        return self._add("Deals", at, {**values, **fields}, **links)

    def add_task(
        self,
        subject: str,
        *,
        about: tuple[str, str] | None = None,
        contact: str | None = None,
        status: str = "Not Started",
        due_date: date | None = None,
        owner: str | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Add a task; `about` is (module, id), such as ("Deals", deal)."""
        values = {"Subject": subject, "Status": status, "Due_Date": due_date.isoformat() if due_date else None}
        links: dict[str, Any] = {"Who_Id": _link(contact), "Owner": _link(owner)}
        if about:
            links |= {"What_Id": _link(about[1]), "$se_module": about[0]}
        return self._add("Tasks", at, {**values, **fields}, **links)

    def add_note(
        self, about: tuple[str, str], content: str, *, title: str | None = None, at: datetime | None = None
    ) -> str:
        """Add a note to a record; `about` is (module, id)."""
        parent = {"module": {"api_name": about[0]}, "id": about[1]}
        return self._add("Notes", at, {}, Note_Title=title, Note_Content=content, Parent_Id=parent)

    def add_field(self, module: str, name: str, kind: str = "text") -> None:
        """Add a custom field."""
        with self.lock:
            self.book.fields[module][name] = Field(name, kind, custom=True)
            for row in self.book.rows[module].values():
                row.setdefault(name, None)

    def edit(self, module: str, remote_id: str, *, at: datetime | None = None, **values: Any) -> None:
        """Change a record."""
        with self.lock:
            self.book.edit(module, remote_id, values, at=at)

    def remove(self, module: str, remote_id: str, *, at: datetime | None = None, for_good: bool = False) -> None:
        """Delete a record: into the recycle bin, or for good."""
        with self.lock:
            self.book.remove(module, remote_id, at=at, for_good=for_good)

    def restore(self, module: str, remote_id: str, *, at: datetime | None = None) -> None:
        """Bring a record back from the recycle bin."""
        with self.lock:
            self.book.restore(module, remote_id, at=at)

    def records(self, module: str) -> list[dict[str, Any]]:
        """Return copies of what a module holds, oldest first."""
        with self.lock:
            return [dict(row) for row in self.book.rows[module].values()]

    def seed_clients(self, *, at: datetime | None = None) -> dict[str, dict[str, str]]:
        """Add four client companies with a contact and a deal each; returns name → {account, contact, deal}."""
        seeded = {}
        for number, (name, website, industry, person, email) in enumerate(_COMPANIES, start=1):
            first, _, last = person.rpartition(" ")
            account = self.add_account(name, website=website, at=at, Industry=industry, Account_Type="Customer")
            contact = self.add_contact(last, first_name=first, email=email, account=account, at=at, Title="IT Director")
            deal = self.add_deal(
                f"{name} – 客户门户" if name[0] > "z" else f"{name} – customer portal",
                account=account,
                contact=contact,
                stage="Proposal/Price Quote",
                amount=120_000.0 * number,
                probability=60,
                closing_date=date(2026, 6, 30),
                at=at,
            )
            seeded[name] = {"account": account, "contact": contact, "deal": deal}
        return seeded

    def _add(self, module: str, at: datetime | None, fields: dict[str, Any], **values: Any) -> str:
        with self.lock:
            given = {name: value for name, value in {**values, **fields}.items() if value is not None}
            return str(self.book.add(module, given, at=at)["id"])


def _link(remote_id: str | None) -> dict[str, str] | None:
    return {"id": remote_id} if remote_id else None
