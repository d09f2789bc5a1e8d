"""What is wrong in a file is told with file, line and the way out; mended, the run completes and nothing was lost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.integration.bad_input.agency import ROOT, Agency
from tests.integration.engine.world import ACME, BETA


@dataclass(frozen=True, slots=True)
class Slip:
    """A slip in a file, and what must be said about it: where, what, and the way out."""

    name: str
    file: str
    old: str
    new: str
    says: tuple[str, ...]


SERVICE = "syncd.yaml"
ACCOUNT = "accounts/acme.yaml"
SLIPS = (
    Slip(
        "unknown key",
        SERVICE,
        "fresh_for: 26h",
        "fresh_four: 26h",
        ("syncd.yaml:2: fresh_four", "did you mean 'fresh_for'"),
    ),
    Slip(
        "unknown key in a connection",
        SERVICE,
        "title: PingCode",
        "titel: PingCode",
        ("syncd.yaml:6: connections.pc.titel", "did you mean 'title'"),
    ),
    Slip(
        "unknown key in a connector's block",
        SERVICE,
        "base_url:",
        "base_uri:",
        ("connections.pc.config.base_uri", "did you mean 'base_url'"),
    ),
    Slip("wrong type", ACCOUNT, "audiences:", "calendars: 7\naudiences:", ("acme.yaml:9: calendars", "7")),
    Slip(
        "literal secret",
        SERVICE,
        "env:PC_SECRET",
        "hunter2-literal",
        ("connections.pc.config.client_secret", "env:NAME or file:/path"),
    ),
    Slip(
        "missing secret",
        SERVICE,
        "env:PC_SECRET",
        "env:PC_SECRET_OLD",
        ("connections.pc.config.client_secret", "PC_SECRET_OLD is not set", "set it"),
    ),
    Slip(
        "unknown connector",
        SERVICE,
        "connector: pingcode",
        "connector: pingkode",
        ("connections.pc.connector", "'pingkode'", "did you mean 'pingcode'"),
    ),
    Slip(
        "unknown stream",
        SERVICE,
        "title: PingCode",
        "pull: {work_item: 5m}",
        ("connections.pc.pull", "'work_item'", "did you mean 'work_items'"),
    ),
    Slip(
        "unknown timezone",
        ACCOUNT,
        "Asia/Shanghai",
        "Asia/Shangai",
        ("acme.yaml:3: timezone", "'Asia/Shangai'", "Asia/Shanghai"),
    ),
    Slip("unknown locale", ACCOUNT, "locale: en", "locale: en-GB", ("acme.yaml:2: locale", "'en-GB'", "zh-CN, en")),
    Slip(
        "unknown rhythm",
        ACCOUNT,
        "friday 16:00",
        "fridays at four",
        ("acme.yaml:13: plan.0.when", "'fridays at four'", "friday 16:00"),
    ),
    Slip(
        "bad cron line", ACCOUNT, "when: friday 16:00", 'when: "cron 0 25 * * fri"', ("acme.yaml:13: plan.0.when", "25")
    ),
    Slip("duplicate connection name", SERVICE, "  crm:\n", "  pc:\n", ("syncd.yaml:11", "pc")),
    Slip(
        "unknown connection",
        ACCOUNT,
        "connection: pc,",
        "connection: pingcode,",
        ("acme.yaml:7: projects.0.from.0.connection", "'pingcode'", "allowed: crm, mail, pc"),
    ),
    Slip(
        "unknown audience",
        ACCOUNT,
        "audience: pm,",
        "audience: pn,",
        ("acme.yaml:13: plan.0.audience", "'pn'", "allowed: pm, sales"),
    ),
    Slip("not YAML", ACCOUNT, "audiences:", "audiences: [", ("acme.yaml:", "not valid YAML")),
    Slip(
        "no e-mail address",
        ACCOUNT,
        "li@acme.example",
        "li at acme",
        ("acme.yaml:10", "'li at acme' is not an e-mail address"),
    ),
    Slip(
        "http without leave",
        SERVICE,
        "    allow_private_hosts: [127.0.0.1]\n    config: {base_url",
        "    config: {base_url",
        ("connections.pc", "clear text", "allow_private_hosts"),
    ),
)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_a_slip_in_a_file_is_told_and_the_mended_run_completes(agency: Agency, slip: Slip) -> None:
    agency.spoil(slip.file, slip.old, slip.new)

    wrong = agency.on_config("run acme")
    agency.write()
    right = agency.on_config("run acme")

    assert wrong.code == 2, wrong
    for part in slip.says:
        assert part in wrong.err + wrong.out
    assert "Traceback" not in wrong.err
    assert "hunter2" not in wrong.err + wrong.out
    assert (right.code, agency.effects) == (0, (1, 1)), right


def test_two_clients_cannot_claim_one_project(agency: Agency) -> None:
    agency.texts = {"acme": ACME, "beta": BETA.replace("{shop}", "{portal}")}
    agency.write()

    wrong = agency.on_config("run")
    agency.texts["beta"] = BETA
    agency.write()
    right = agency.on_config("run")

    assert wrong.code == 2
    for part in ("acme.yaml", "beta.yaml", "projects.0.from.0.project", agency.ids["portal"], "one client only"):
        assert part in wrong.err
    assert (right.code, len(agency.mail.messages)) == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "from: state.name, transform: [lower,",
            "from: state..name, transform: [lower,",
            ("pingcode.yaml", "state..name"),
        ),
        ("transform: html_to_text", "transform: html_to_txt", ("pingcode.yaml", "html_to_txt", "html_to_text")),
        ("entity: Task", "entity: Tusk", ("pingcode.yaml", "Tusk", "Task")),
        ("      key: {from: identifier", "      kee: {from: identifier", ("pingcode.yaml", "kee", "key")),
    ],
    ids=["bad path", "unknown transform", "unknown entity", "unknown field"],
)
def test_a_slip_in_a_mapping_is_told_and_the_mended_run_completes(
    agency: Agency, old: str, new: str, says: tuple[str, ...]
) -> None:
    text = (ROOT / "mappings" / "pingcode.yaml").read_text("utf-8")
    assert old in text
    (agency.folder / "mappings").mkdir()
    mine = agency.folder / "mappings" / "pingcode.yaml"
    mine.write_text(text.replace(old, new, 1), "utf-8")

    wrong = agency.on_config("run acme")
    mine.write_text(text, "utf-8")
    right = agency.on_config("run acme")

    assert wrong.code == 2, wrong
    for part in says:
        assert part in wrong.err
    assert (right.code, agency.effects) == (0, (1, 1))


def test_no_configuration_at_all_says_how_to_get_one(agency: Agency) -> None:
    wrong = agency.syncd("run", "-c", str(agency.folder / "nowhere"))

    assert wrong.code == 2
    assert "nowhere/syncd.yaml: not found" in wrong.err
    assert "syncd init" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "acme", "--since", "2026-02-31"), ("--since", "'2026-02-31'", "2026-01-05")),
        (("run", "acme", "--until", "tomorrow"), ("--until", "'tomorrow'", "2026-01-05T16:00+08:00")),
        (("run", "acme", "--since", "2026-03-09", "--until", "2026-03-02"), ("--since", "--until", "swap them")),
        (("run", "acmee"), ("'acmee'", "did you mean 'acme'")),
        (("run", "acme", "--only", "pul"), ("--only pul", "pull, compose, push")),
        (("digest", "acme", "--as-of", "31.12.2026"), ("--as-of", "'31.12.2026'")),
        (("digest", "acme", "--as-of", "9999-12-31"), ("--as-of", "'9999-12-31'", "a year from 1970 to 2100")),
        (("digest", "acme", "--as-of", "0001-01-01"), ("--as-of", "'0001-01-01'", "a year from 1970 to 2100")),
        (("digest", "acme", "--as-of", "2099-12-31"), ("--as-of", "'2099-12-31'", "is in the future")),
        (("run", "acme", "--since", "0001-01-01"), ("--since", "'0001-01-01'", "a year from 1970 to 2100")),
        (("run", "acme", "--until", "9999-12-31"), ("--until", "'9999-12-31'", "a year from 1970 to 2100")),
        (("run", "acme", "--until", "2099-12-31T23:59+08:00"), ("--until", "is in the future")),
        (("digest", "acme", "--lang", "de"), ("--lang de", "zh-CN, en")),
        (("digest", "acme", "--audience", "pn"), ("'pn'", "allowed: pm, sales")),
        (("digest", "acme", "--project", "Portl"), ("'Portl'", "did you mean 'Portal'")),
        (("approve", "acme", "99"), ("no record 99", "syncd status")),
        (("approve", "acme", "9" * 23), ("number", "less than or equal to 2147483647")),
        (("parked", "retry", "7"), ("nothing is parked under 7", "syncd parked list")),
        (("parked", "retry", "c7"), ("command c7", "syncd parked list")),
        (("parked", "retry", "9" * 23), ("is not a number of the list", "syncd parked list")),
        (("parked", "retry", "c" + "9" * 23), ("is not a number of the list", "syncd parked list")),
        (("parked", "skip", "²", "--why", "x"), ("'²' is not a number",)),
        (("parked", "skip", "7", "--why", " "), ("--why",)),
        (("parked", "skip", "seven", "--why", "x"), ("'seven' is not a number",)),
        (("check", "nope"), ("connection 'nope' does not exist", "crm, mail, pc")),
        (("connectors", "explain", "github", "isues"), ("'isues'", "did you mean 'issues'")),
        (("apply", "no-such-plan.json"), ("no-such-plan.json", "syncd plan --out")),
        (("plan", "acme", "--out", "/proc/nowhere/all.json"), ("/proc/nowhere/all.json", "cannot be written")),
        (("digest", "acme", "--out", "/proc/nowhere/all.html"), ("/proc/nowhere/all.html", "cannot be written")),
        (("db", "backup", "/proc/nowhere/all.db"), ("/proc/nowhere/all.db", "cannot be written")),
    ],
    ids=str,
)
def test_a_slip_in_an_argument_is_told(agency: Agency, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    wrong = agency.on_config(arguments[0], *arguments[1:])

    assert wrong.code == 2, wrong
    for part in says:
        assert part in wrong.err
    assert "Traceback" not in wrong.err


def test_an_error_is_one_json_document_for_scripts(agency: Agency) -> None:
    wrong = agency.on_config("run acmee --json")

    assert wrong.code == 2
    assert wrong.document == {
        "error": "account 'acmee' does not exist; did you mean 'acme'? allowed: acme",
        "kind": "ConfigError",
    }
    assert wrong.err == ""
