"""`syncd init` writes files that load, with references for secrets; a wrong answer leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd import settings

Syncd = Callable[..., Any]
ANSWERS = ("--client", "Acme Ltd", "--project", "Portal", "--contact", "li@acme.example")
CONNECTORS = ("--connector", "pingcode", "--connector", "zoho_crm", "--connector", "email")


def init(syncd: Syncd, *more: str) -> Any:
    return syncd("init", *CONNECTORS, *ANSWERS, *more)


def test_the_answers_become_a_configuration_that_loads(syncd: Syncd) -> None:
    said = init(syncd, "--locale", "zh-CN", "--timezone", "Asia/Shanghai", "--when", "friday 16:00")

    config = settings.load(Path("config"))
    account = config.account("acme-ltd")
    assert said.code == 0
    assert sorted(config.service.connections) == ["email", "pingcode", "zoho"]
    assert (account.account, account.locale, account.timezone) == ("Acme Ltd", "zh-CN", "Asia/Shanghai")
    assert account.audiences["pm"].contacts == ["li@acme.example"]
    assert account.plan[0].when.text == "friday 16:00"
    assert {source.connection for source in account.projects[0].sources} == {"pingcode", "zoho"}
    assert "syncd check" in said.out


def test_secrets_are_references_and_what_to_set_is_told(syncd: Syncd) -> None:
    said = init(syncd, "--json")

    text = Path("config/syncd.yaml").read_text("utf-8")
    for name in ("PINGCODE_CLIENT_SECRET", "ZOHO_CRM_CLIENT_SECRET", "ZOHO_CRM_REFRESH_TOKEN"):
        assert f"env:{name}" in text
        assert name in said.document["secrets"]
    assert said.document["written"] == ["config/syncd.yaml", "config/accounts/acme-ltd.yaml"]


@pytest.mark.parametrize(
    "name", ["2026", "true", "null", "Müller & Söhne: GmbH", "a: b", "[x]", "客户 #1", 'O\'Brien "Bob"', "- x", "x:"]
)
def test_any_name_is_kept_as_it_was_given(syncd: Syncd, name: str) -> None:
    said = syncd("init", *CONNECTORS, "--client", name, "--project", name, "--contact", "li@acme.example", "--json")

    account = next(iter(settings.load(Path("config")).accounts.values()))
    assert said.code == 0, said
    assert (account.account, account.projects[0].name) == (name, name)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--timezone", "Mars/Base", "'Mars/Base' is not an IANA time zone"),
        ("--locale", "de", "'de' is not a locale"),
        ("--when", "now and then", "'now and then' is not a time"),
        ("--contact", "li at acme", "'li at acme' is not an e-mail address"),
    ],
)
def test_a_wrong_answer_is_told_and_leaves_nothing_behind(syncd: Syncd, option: str, value: str, says: str) -> None:
    wrong = init(syncd, option, value)
    right = init(syncd)

    assert wrong.code == 2
    assert says in wrong.err
    assert "nothing was written; answer anew" in wrong.err
    assert right.code == 0, right


def test_a_second_client_uses_the_connections_that_are_there(syncd: Syncd) -> None:
    init(syncd)

    said = syncd("init", "--client", "Beta", "--contact", "wu@beta.example", "--project", "Shop", "--json")
    again = syncd("init", "--client", "Beta", "--contact", "wu@beta.example")

    assert said.document["written"] == ["config/accounts/beta.yaml"]
    assert again.code == 2
    assert "beta.yaml: is there already; edit it, or name another client" in again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--connector: name at least one of"),
        (("--connector", "emial"), "did you mean 'email'"),
        (("--connector", "email"), "--client: give the client's name"),
        (("--connector", "github", "--client", "Acme"), "a digest needs a channel: add --connector email"),
    ],
)
def test_what_is_not_given_is_asked_for_in_words_without_a_terminal(
    syncd: Syncd, arguments: tuple[str, ...], says: str
) -> None:
    said = syncd("init", *arguments)

    assert said.code == 2
    assert says in said.err
    assert not Path("config").exists()


def test_clients_without_latin_letters_in_their_names_get_ids_of_their_own(syncd: Syncd) -> None:
    for name in ("星河科技", "灯塔", "海棠 & 月"):
        assert syncd("init", *CONNECTORS, "--client", name, "--contact", "li@acme.example").code == 0

    config = settings.load(Path("config"))
    assert {account.id: account.account for account in config.accounts.values()} == {
        "client": "星河科技",
        "client-2": "灯塔",
        "client-3": "海棠 & 月",
    }


def test_an_id_can_be_chosen(syncd: Syncd) -> None:
    said = syncd("init", *CONNECTORS, "--client", "星河科技", "--id", "xinghe", "--contact", "li@acme.example")

    assert said.code == 0
    assert settings.load(Path("config")).account("xinghe").account == "星河科技"


def test_a_client_that_is_there_is_not_added_under_another_id(syncd: Syncd) -> None:
    syncd("init", *CONNECTORS, "--client", "Client", "--contact", "li@acme.example")

    again = syncd("init", "--client", "Client", "--contact", "li@acme.example")

    assert again.code == 2
    assert "client.yaml: is there already" in again.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--client", "Acme", "--id", "../Acme"), "--id '../Acme': write small letters, digits and -, such as acme"),
        (("--client", "Acme\nplan: []"), "--client: give a name of one line"),
        (("--client", "Acme\x1b[31m"), "--client: give a name of one line"),
    ],
    ids=str,
)
def test_a_wrong_name_or_id_writes_nothing(syncd: Syncd, options: tuple[str, ...], says: str) -> None:
    said = syncd("init", *CONNECTORS, *options, "--contact", "li@acme.example")

    assert said.code == 2
    assert says in said.err
    assert not Path("config").exists()
