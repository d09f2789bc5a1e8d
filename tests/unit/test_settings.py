"""`syncd.yaml` and the clients' files: what they mean, and what is said when they are wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syncd import log, settings
from syncd.errors import ConfigError
from syncd.rhythm import When
from syncd.settings import Config, parse_duration, resolve_reference

SERVICE = """\
database: sqlite:///data/syncd.db
web: {listen: 127.0.0.1:8080, url: https://syncd.agency.example/}
secrets: {key: env:SYNCD_KEY}
fresh_for: 26h
connections:
  delivery:
    connector: pingcode
    config: {client_id: env:PINGCODE_ID}
    timezone: Asia/Shanghai
    pull: {work_items: 5m, census: weekly}
    limits: {calls: 100}
  mail:
    connector: email
"""
ACCOUNT = """\
account: Acme 精密制造
locale: zh-CN
timezone: Asia/Shanghai
calendars: {ours: CN, theirs: DE-BY, closed: [2026-05-04]}
projects:
  - name: 客户门户
    goals:
      - {goal: 订单自助查询上线, target_date: 2026-06-30}
    from:
      - {connection: delivery, project: 5f0c1d9e4b}
audiences:
  pm: {contacts: [li@acme.example], users: [chen@agency.example], deputy: chen@agency.example}
  sales: {users: [zhao@agency.example]}
plan:
  - {audience: pm, channel: mail, when: friday 16:00, approver: zhang@agency.example, answer_in: 2 working days}
  - {audience: sales, content: brief, channel: mail, when: with digest}
show:
  tasks: {types: [story], fields: [title, due_date]}
words: {in_progress: 开发中}
"""


def load(folder: Path, service: str = SERVICE, **accounts: str) -> Config:
    (folder / "accounts").mkdir(exist_ok=True)
    (folder / "syncd.yaml").write_text(service, encoding="utf-8")
    for name, text in accounts.items():
        (folder / "accounts" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return settings.load(folder)


def refusal(folder: Path, service: str = SERVICE, **accounts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, service, **accounts)
    return str(caught.value).replace(f"{folder}/", "")


def service_with(old: str, new: str) -> str:
    assert old in SERVICE
    return SERVICE.replace(old, new)


def account_with(old: str, new: str) -> str:
    assert old in ACCOUNT
    return ACCOUNT.replace(old, new)


def test_sound_files_are_read(tmp_path: Path) -> None:
    config = load(tmp_path, acme=ACCOUNT)

    account = config.account("acme")
    assert config.account("Acme 精密制造") is account
    assert config.service.connections["delivery"].pull == {
        "work_items": timedelta(minutes=5),
        "census": timedelta(weeks=1),
    }
    assert config.service.web.url == "https://syncd.agency.example"
    assert account.id == "acme"
    assert account.zone.key == "Asia/Shanghai"
    assert account.calendars.countries == ["CN", "DE-BY"]
    assert account.projects[0].sources[0].targets == {"project": "5f0c1d9e4b"}
    assert account.audiences["pm"].addresses == ["li@acme.example", "chen@agency.example"]
    assert account.audiences["pm"].is_client
    assert not account.audiences["sales"].is_client
    assert account.plan[0].when == When(text="friday 16:00", cron="0 16 * * 5", on_working_days=True)
    assert account.plan[0].answer_in_days == 2
    assert account.plan[1].when.with_digest


def test_a_number_as_an_id_is_taken_as_it_is_written(tmp_path: Path) -> None:
    config = load(tmp_path, acme=account_with("5f0c1d9e4b", "4876876000000333001"))

    assert config.accounts["acme"].projects[0].sources[0].project == "4876876000000333001"


@pytest.mark.parametrize("written", ["00123", "0x1F", "1_000"])
def test_a_number_that_would_lose_its_form_needs_quotes(tmp_path: Path, written: str) -> None:
    message = refusal(tmp_path, acme=account_with("5f0c1d9e4b", written))

    assert message.startswith(
        "accounts/acme.yaml:10: projects.0.from.0.project: must be text: put it in quotes (it is "
    )


def test_examples_and_hidden_files_are_no_clients(tmp_path: Path) -> None:
    config = load(tmp_path, **{"acme.example": "nonsense", ".#acme": "nonsense"})

    assert config.accounts == {}


def test_without_a_configuration_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(tmp_path / "none")

    assert str(caught.value) == (
        f"{tmp_path}/none/syncd.yaml: not found; run `syncd init` to write one, or name another folder with --config"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "database:",
            "databse:",
            (
                "syncd.yaml:1: databse: unknown key; did you mean 'database'? "
                "allowed: connections, database, fresh_for, log, secrets, web"
            ),
        ),
        (
            "    timezone: Asia/Shanghai",
            "    timezon: Asia/Shanghai",
            (
                "syncd.yaml:9: connections.delivery.timezon: unknown key; did you mean 'timezone'? "
                "allowed: allow_private_hosts, config, connector, limits, owns, pull, timezone, title"
            ),
        ),
        (
            "Asia/Shanghai",
            "Asia/Shangai",
            (
                "syncd.yaml:9: connections.delivery.timezone: 'Asia/Shangai' is not an IANA time zone; "
                "did you mean 'Asia/Shanghai'?"
            ),
        ),
        (
            "Asia/Shanghai",
            "asia/shanghai",
            (
                "syncd.yaml:9: connections.delivery.timezone: 'asia/shanghai' is not an IANA time zone; "
                "did you mean 'Asia/Shanghai'?"
            ),
        ),
        (
            "Asia/Shanghai",
            "北京",
            (
                "syncd.yaml:9: connections.delivery.timezone: '北京' is not an IANA time zone; "
                "write it like Asia/Shanghai, Europe/Berlin or UTC"
            ),
        ),
        (
            "work_items: 5m",
            "work_items: 5 minutes",
            (
                "syncd.yaml:10: connections.delivery.pull.work_items: '5 minutes' is not a duration such as "
                "30s, 5m, 1h, 2d or weekly"
            ),
        ),
        (
            "work_items: 5m",
            "work_items: 0m",
            (
                "syncd.yaml:10: connections.delivery.pull.work_items: '0m' is not a duration such as "
                "30s, 5m, 1h, 2d or weekly"
            ),
        ),
        (
            "fresh_for: 26h",
            "fresh_for: 99999999999w",
            "syncd.yaml:4: fresh_for: '99999999999w' is too long a time",
        ),
        ("{calls: 100}", "{calls: 0}", "syncd.yaml:11: connections.delivery.limits.calls: must be 1 or more (it is 0)"),
        (
            "  mail:\n    connector: email\n",
            "  mail: email\n",
            "syncd.yaml:12: connections.mail: must hold keys, one a line below it (it is a text)",
        ),
        ("    connector: email\n", "    title: Mail\n", "syncd.yaml:12: connections.mail.connector: is missing"),
        ("  mail:", "  delivery:", "syncd.yaml:12: the key 'delivery' is there twice; rename or remove one"),
        (
            "  mail:",
            "  Mail Out:",
            "syncd.yaml:12: connections.Mail Out: a connection's name is lower-case letters, digits, - and _",
        ),
        (
            "env:SYNCD_KEY",
            "canary-key",
            (
                "syncd.yaml:3: secrets.key: a secret is given by reference only; write env:NAME or file:/path instead "
                "of the value"
            ),
        ),
        (
            "sqlite:///data/syncd.db",
            "postgresql://syncd:canary@db/syncd",
            (
                "syncd.yaml:1: database: holds a password; put the whole address into an environment variable and "
                "write env:NAME"
            ),
        ),
        (
            "sqlite:///data/syncd.db",
            "postgresql://db/syncd?user=syncd&password=canary",
            (
                "syncd.yaml:1: database: holds a password; put the whole address into an environment variable and "
                "write env:NAME"
            ),
        ),
        (
            "127.0.0.1:8080",
            "localhost",
            "syncd.yaml:2: web.listen: 'localhost' is not an address to listen on such as 127.0.0.1:8080",
        ),
        (
            "https://syncd.agency.example/",
            "syncd.agency.example",
            "syncd.yaml:2: web.url: must be an address such as https://syncd.agency.example, without a password in it",
        ),
        (
            "https://syncd.agency.example/",
            "https://me:canary@syncd.agency.example/",
            "syncd.yaml:2: web.url: must be an address such as https://syncd.agency.example, without a password in it",
        ),
        (
            "fresh_for: 26h",
            "log: {level: loud}",
            "syncd.yaml:4: log.level: 'loud' is not allowed; allowed: debug, error, info, warning",
        ),
    ],
)
def test_a_fault_of_the_service_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    told = refusal(tmp_path, service_with(old, new))

    assert told == message
    assert "canary" not in told


def test_an_empty_service_file_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, "") == "syncd.yaml:1: the file is empty"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "locale: zh-CN",
            "locale: zh_CN",
            (
                "accounts/acme.yaml:2: locale: 'zh_CN' is not a locale that digests are written in; "
                "choose one of zh-CN, en"
            ),
        ),
        (
            "timezone: Asia/Shanghai",
            "timezone: Europe/Munich",
            "accounts/acme.yaml:3: timezone: 'Europe/Munich' is not an IANA time zone; did you mean 'Europe/Zurich'?",
        ),
        (
            "theirs: DE-BY",
            "theirs: DE-XX",
            (
                "accounts/acme.yaml:4: calendars.theirs: 'DE-XX' is not a country with a calendar; write an ISO 3166 "
                "code such as CN, DE or DE-BY"
            ),
        ),
        (
            "2026-05-04]",
            "4 May]",
            "accounts/acme.yaml:4: calendars.closed.0: must be a date such as 2026-06-30 (it is '4 May')",
        ),
        (
            "account: Acme 精密制造",
            "id: acme\naccount: Acme",
            "accounts/acme.yaml:1: id: unknown key; a client's id is the name of its file, 'acme'",
        ),
        (
            "connection: delivery",
            "connection: delivry",
            (
                "accounts/acme.yaml:10: projects.0.from.0.connection: 'delivry' is not a known connection; "
                "did you mean 'delivery'? allowed: delivery, mail"
            ),
        ),
        (
            ", project: 5f0c1d9e4b",
            "",
            (
                "accounts/acme.yaml:10: projects.0.from.0.connection: name what belongs to the project, e.g. project: "
                "or account:"
            ),
        ),
        (
            "    from:\n      - {connection: delivery, project: 5f0c1d9e4b}\n",
            "",
            "accounts/acme.yaml:6: projects.0.from: is missing",
        ),
        (
            "projects:\n",
            "projects:\n  - {name: 客户门户, from: [{connection: delivery, project: p2}]}\n",
            "accounts/acme.yaml:7: projects.1.name: '客户门户' is there twice; rename one",
        ),
        (
            "projects:\n",
            "projects:\n  - {name: Portal, from: [{connection: delivery, project: 5f0c1d9e4b}]}\n",
            (
                "accounts/acme.yaml:11: projects.1.from.0.project: project '5f0c1d9e4b' of 'delivery' belongs to "
                "'Portal' already; remove it from one of the two"
            ),
        ),
        (
            "li@acme.example]",
            "li@acme.example, wang.acme.example]",
            (
                "accounts/acme.yaml:12: audiences.pm.contacts.1: 'wang.acme.example' is not an e-mail address such as "
                "li@acme.example"
            ),
        ),
        (
            "zhang@agency.example",
            "'Zhang <zhang@agency.example>'",
            (
                "accounts/acme.yaml:15: plan.0.approver: 'Zhang <zhang@agency.example>' is not an e-mail address such "
                "as li@acme.example"
            ),
        ),
        (
            "audience: pm,",
            "audience: boss,",
            "accounts/acme.yaml:15: plan.0.audience: 'boss' is not a known audience; allowed: pm, sales",
        ),
        (
            "channel: mail, when: friday",
            "channel: wecom, when: friday",
            "accounts/acme.yaml:15: plan.0.channel: 'wecom' is not a known connection; allowed: delivery, mail",
        ),
        (
            "content: brief",
            "content: letter",
            "accounts/acme.yaml:16: plan.1.content: 'letter' is not allowed; allowed: brief, digest",
        ),
        (
            "friday 16:00",
            "fridays at four",
            (
                "accounts/acme.yaml:15: plan.0.when: 'fridays at four' is not a time; write friday 16:00, daily 09:30, "
                "weekdays 09:30, monthly 1 09:00, every 15m, cron 0 16 * * fri, or with digest"
            ),
        ),
        (
            "friday 16:00",
            "cron 0 25 * * fri",
            (
                "accounts/acme.yaml:15: plan.0.when: '25' is not a hour of a cron line; write *, a number from 0 to "
                "23, 1-5, */2, or a list"
            ),
        ),
        (
            "friday 16:00",
            "with digest",
            (
                "accounts/acme.yaml:15: plan.0.when: 'with digest' goes along with a row that has a time; give one row "
                "a time such as friday 16:00"
            ),
        ),
        (
            "2 working days",
            "2 days",
            "accounts/acme.yaml:15: plan.0.answer_in: '2 days' is not a span such as 2 working days",
        ),
        (
            "[title, due_date]",
            "[title, budget]",
            (
                "accounts/acme.yaml:18: show.tasks.fields.1: 'budget' is not allowed; "
                "allowed: due_date, key, owner, status, title, url"
            ),
        ),
        (
            "words:",
            "wrods:",
            (
                "accounts/acme.yaml:19: wrods: unknown key; did you mean 'words'? allowed: account, audiences, author, "
                "calendars, locale, plan, projects, show, timezone, words"
            ),
        ),
    ],
)
def test_a_fault_of_a_client_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusal(tmp_path, acme=account_with(old, new)) == message


def test_an_empty_client_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, acme="") == "accounts/acme.yaml:1: the file is empty"
    assert refusal(tmp_path, acme="locale: en\n").splitlines() == [
        "accounts/acme.yaml:1: account: is missing",
        "accounts/acme.yaml:1: projects: is missing",
    ]


def test_a_file_that_would_be_passed_over_is_told(tmp_path: Path) -> None:
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "acme.yml").write_text(ACCOUNT, encoding="utf-8")

    assert refusal(tmp_path) == "accounts/acme.yml: a client's file ends in .yaml; rename it to acme.yaml"


def test_a_client_whose_file_name_is_no_name_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, **{"Acme Ltd": ACCOUNT}) == (
        "accounts/Acme Ltd.yaml: a client's file name is lower-case letters, digits, - and _, 63 at most"
    )


@pytest.mark.parametrize("key", ["project", "account", "opportunity"])
def test_what_belongs_to_one_client_cannot_belong_to_another(tmp_path: Path, key: str) -> None:
    claims = account_with("project: 5f0c1d9e4b", f"{key}: '42'")

    message = refusal(tmp_path, acme=claims, globex=claims.replace("'42'", "' 42'"))

    assert message == (
        f"accounts/globex.yaml:10: projects.0.from.0.{key}: {key} ' 42' of 'delivery' belongs to another client "
        f"already (accounts/acme.yaml:10: projects.0.from.0.{key}); it can belong to one client only: remove it from "
        "one of the files"
    )


def test_an_account_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    config = load(tmp_path, acme=ACCOUNT)

    with pytest.raises(ConfigError) as caught:
        config.account("acm")

    assert str(caught.value) == "account 'acm' does not exist; did you mean 'acme'? allowed: acme"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("5 m", timedelta(minutes=5)),
        ("1H", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("hourly", timedelta(hours=1)),
        ("daily", timedelta(days=1)),
        ("weekly", timedelta(weeks=1)),
        (timedelta(hours=3), timedelta(hours=3)),
    ],
)
def test_a_duration_is_read(text: object, expected: timedelta) -> None:
    assert parse_duration(text) == expected


def test_a_secret_is_read_from_the_environment_and_masked_ever_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCD_TEST_SECRET", "canary-7c1e")

    assert resolve_reference("env:SYNCD_TEST_SECRET", where="connections.crm.config.token") == "canary-7c1e"
    assert log.scrub("the vendor says: canary-7c1e is wrong") == "the vendor says: *** is wrong"


def test_a_secret_is_read_from_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("canary-51b2\n")

    assert resolve_reference(f"file:{tmp_path}/key", where="secrets.key") == "canary-51b2"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "env:SYNCD_TEST_NONE",
            "here: environment variable SYNCD_TEST_NONE is not set; set it, or point the reference ",
        ),
        (
            "env: SYNCD_TEST_NONE",
            "here: environment variable SYNCD_TEST_NONE is not set; set it, or point the reference ",
        ),
        ("file:/none/key", "here: /none/key cannot be read (FileNotFoundError); check path and rights"),
        ("canary", "here: a secret is given by reference only; write env:NAME or file:/path instead of the value"),
    ],
)
def test_a_secret_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, reference: str, message: str) -> None:
    monkeypatch.delenv("SYNCD_TEST_NONE", raising=False)

    with pytest.raises(ConfigError) as caught:
        resolve_reference(reference, where="here")

    assert str(caught.value).startswith(message)
    assert "canary" not in str(caught.value)


def test_an_empty_secret_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")

    with pytest.raises(ConfigError, match="key is empty; set it, or point the reference elsewhere"):
        resolve_reference(f"file:{tmp_path}/key", where="secrets.key")


def test_editors_get_a_schema_of_each_file() -> None:
    schemas = settings.json_schemas()
    service, account = schemas["syncd.yaml"], schemas["accounts/*.yaml"]
    parts = account["$defs"]

    assert list(schemas) == ["syncd.yaml", "accounts/*.yaml"]
    assert {schema["$schema"] for schema in schemas.values()} == {"https://json-schema.org/draft/2020-12/schema"}
    assert service["additionalProperties"] is False
    assert sorted(account["properties"]) == [
        "account",
        "audiences",
        "author",
        "calendars",
        "locale",
        "plan",
        "projects",
        "show",
        "timezone",
        "words",
    ]
    assert sorted(parts["ProjectSettings"]["properties"]) == ["from", "goals", "name"]
    assert parts["PlanRow"]["properties"]["when"]["type"] == "string"
    assert parts["SourceSettings"]["properties"]["project"]["anyOf"][0] == {"type": ["string", "integer"]}
    assert service["$defs"]["ConnectionSettings"]["properties"]["pull"]["additionalProperties"]["type"] == "string"
