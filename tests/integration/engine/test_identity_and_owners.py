"""One thing in several systems: linked by id, address or domain, never by likeness; both sides of a conflict stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.zoho_crm.fake import Fake as Zoho
from syncd.engine import identity
from tests.integration.engine.world import World

SECOND = """\
  crm2:
    connector: zoho_crm
    allow_private_hosts: [127.0.0.1]
    config: {{client_id: {client_id}, client_secret: env:ZOHO_SECRET, refresh_token: env:ZOHO_REFRESH,
             api_url: "{url}", accounts_url: "{url}"}}
"""


@pytest.fixture
def second(local: World) -> Iterator[Zoho]:
    """A second CRM that knows Acme, too, and two more companies."""
    with Zoho() as fake:
        local.clock.drive(fake)
        local.extra = SECOND.format(client_id=fake.config()["client_id"], url=fake.url)
        local.ids["acme2"] = fake.add_account("ACME Limited", website="www.acme.example", Phone="+86 10 222")
        local.ids["similar"] = fake.add_account("Acme Ltd", website="https://acme-group.example")
        local.ids["person2"] = fake.add_contact(
            "Li", first_name="Nana", email="LI@acme.example", account=local.ids["acme2"], Title="Head of IT"
        )
        local.ids["namesake"] = fake.add_contact(
            "Li", first_name="Na", email="li.na@acme.example", account=local.ids["acme2"]
        )
        local.texts["acme"] = local.texts["acme"].replace(
            "audiences:", '      - {{connection: crm2, account: "{acme2}"}}\naudiences:', 1
        )
        yield fake


def links(world: World) -> dict[str, list[tuple[str, str]]]:
    """Return what is linked: canonical → (connection and remote id, how)."""
    names = {row["id"]: f"{row['connection']} {row['remote_id']}" for row in world.rows("entities")}
    found: dict[str, list[tuple[str, str]]] = {}
    for row in world.rows("links"):
        found.setdefault(row["canonical"], []).append((names[row["entity"]], row["how"]))
    return found


def conflicts(world: World, **where: str) -> set[tuple[str, str, str, str, str]]:
    rows = [row for row in world.rows("conflicts", **where) if row["gone_at"] is None]
    return {(row["field"], row["chosen"], row["chosen_from"], row["other"], row["rule"]) for row in rows}


def test_what_the_clients_file_names_is_linked_by_id(world: World) -> None:
    world.run()

    found = links(world)
    assert set(found["project:Portal"]) == {
        (f"pc {world.ids['portal']}", "explicit"),
        (f"crm {world.ids['deal']}", "explicit"),
    }
    assert found["account:acme"] == [(f"crm {world.ids['company']}", "explicit")]


def test_people_are_linked_by_exactly_the_same_address_only(local: World, second: Zoho) -> None:
    local.run()

    found = links(local)
    assert set(found["person:li@acme.example"]) == {
        (f"crm {local.ids['contact']}", "email"),
        (f"crm2 {local.ids['person2']}", "email"),
    }
    assert found["person:li.na@acme.example"] == [(f"crm2 {local.ids['namesake']}", "email")]


def test_companies_are_linked_by_exactly_the_same_domain_only(local: World, second: Zoho) -> None:
    local.texts["acme"] = local.texts["acme"].replace('      - {{connection: crm2, account: "{acme2}"}}\n', "")
    local.texts["acme"] = local.texts["acme"].replace(
        "audiences:", '  - name: Other\n    from: [{{connection: crm2, opportunity: "none"}}]\naudiences:', 1
    )
    local.run()

    assert set(links(local)["account:acme"]) == {
        (f"crm {local.ids['company']}", "explicit"),
        (f"crm2 {local.ids['acme2']}", "domain"),
    }


def test_the_owner_of_a_kind_decides_a_field_and_both_values_are_kept(local: World, second: Zoho) -> None:
    local.run()

    canonical = "person:li@acme.example"
    assert conflicts(local, canonical=canonical) == {
        ("full_name", '"Na Li"', "crm", '"Nana Li"', "owner"),
        ("job_title", '"IT lead"', "crm", '"Head of IT"', "owner"),
    }


def test_the_owners_value_is_the_one_that_the_record_says(local: World, second: Zoho) -> None:
    first = local.run()
    local.service = local.service.replace("owns: [Account, Contact, Opportunity]", "owns: [Account]")
    local.extra = local.extra.replace("    connector: zoho_crm\n", "    connector: zoho_crm\n    owns: [Contact]\n")
    local.pass_time(timedelta(hours=1))
    then = local.run()

    people = [next(p for p in r.drafts[0].record.key_contacts if p.is_client) for r in (first, then)]
    assert [(person.name, person.role) for person in people] == [("Na Li", "IT lead"), ("Nana Li", "Head of IT")]


def test_a_conflict_disappears_when_it_is_resolved_and_is_remembered(local: World, second: Zoho) -> None:
    local.run()
    before = conflicts(local, canonical="account:acme")
    local.pass_time(timedelta(hours=1))
    second.edit("Accounts", local.ids["acme2"], Account_Name="Acme Ltd")
    local.run()

    assert before == {("name", '"Acme Ltd"', "crm", '"ACME Limited"', "owner")}
    assert conflicts(local, canonical="account:acme") == set()
    assert len(local.rows("conflicts", canonical="account:acme")) == 1


def test_linking_again_changes_nothing(world: World) -> None:
    world.run()

    with world.open() as space:
        linked = identity.link(space, space.config.account("acme"))

    assert (linked.links_changed, linked.conflicts_changed) == (0, 0)


def test_a_link_goes_when_its_reason_has_gone(local: World, second: Zoho) -> None:
    local.run()
    local.pass_time(timedelta(hours=1))
    second.edit("Contacts", local.ids["person2"], Email="nana@acme.example")

    local.run()

    assert links(local)["person:li@acme.example"] == [(f"crm {local.ids['contact']}", "email")]
