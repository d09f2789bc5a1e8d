"""What holds for every command: help, JSON, exit codes, no terminal needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from syncd import __version__, log
from syncd.cli import commands, connectors

NAMED = ("demo", "init", "check", "run", "plan", "apply", "digest", "approve", "serve", "status", "schema", "lab")


def leaves() -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name."""
    application = typer.Typer()
    commands.register(application)
    yield from _below((), typer.main.get_command(application))


def _below(names: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if getattr(child, "commands", None):
            yield from _below((*names, name), child)
        else:
            yield " ".join((*names, name)), child


COMMANDS = dict(leaves())


def test_the_commands_are_those_that_are_promised() -> None:
    grouped = {"parked list", "parked retry", "parked skip", "connectors explain"}
    grouped |= {"db upgrade", "db backup", "db rename", "db audit", "db forget-grant"}

    assert set(NAMED) | grouped <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(syncd: Callable[..., Any], name: str) -> None:
    said = syncd(*name.split(), "--help")

    assert said.code == 0
    assert f"syncd {name} [OPTIONS]" in said.out
    assert COMMANDS[name].help
    assert COMMANDS[name].help.split("\n")[0].rstrip().endswith((".", ":"))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "serve"])
def test_each_command_speaks_json(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}

    assert "--json" in options


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_explained(name: str) -> None:
    unexplained = [p.name for p in COMMANDS[name].params if not getattr(p, "help", None) and p.name != "help"]

    assert unexplained == []


def test_the_version_is_told(syncd: Callable[..., Any]) -> None:
    assert syncd("--version").out == f"syncd {__version__}\n"


def test_an_unknown_command_is_a_wrong_call(syncd: Callable[..., Any]) -> None:
    said = syncd("rnu")

    assert said.code == 2
    assert "rnu" in said.err
    assert "Traceback" not in said.err


def test_an_unknown_option_is_a_wrong_call(syncd: Callable[..., Any]) -> None:
    said = syncd("run", "--dryrun")

    assert said.code == 2
    assert "--dryrun" in said.err


@pytest.mark.parametrize("name", ["run", "plan", "status", "check", "digest acme", "parked list", "db audit"])
def test_without_a_configuration_the_way_to_one_is_told(syncd: Callable[..., Any], name: str) -> None:
    said = syncd(*name.split())

    assert said.code == 2
    assert "config/syncd.yaml: not found; run `syncd init` to write one" in said.err


def test_the_same_error_is_json_when_asked_for(syncd: Callable[..., Any]) -> None:
    said = syncd("status", "--json")

    assert said.code == 2
    assert said.document["kind"] == "ConfigError"
    assert "syncd init" in said.document["error"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rnu", "--json"), "No such command 'rnu'"),
        (("run", "--dryrun", "--json"), "No such option"),
        (("approve", "acme", "one", "--json"), "Invalid value for 'number'"),
        (("digest", "--json"), "Missing argument 'account'"),
    ],
    ids=str,
)
def test_a_wrong_call_is_json_when_asked_for(syncd: Callable[..., Any], arguments: tuple[str, ...], says: str) -> None:
    said = syncd(*arguments)

    assert (said.code, said.err) == (2, "")
    assert said.document["kind"] == "UsageError"
    assert says in said.document["error"]


def test_a_level_of_the_log_that_does_not_exist_is_told(syncd: Callable[..., Any]) -> None:
    said = syncd("--log-level", "nope", "status")

    assert said.code == 2
    assert "--log-level 'nope': choose one of debug, info, warning, error" in said.err


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every command that describes the connectors run into a fault of ours."""

    def fail() -> None:
        raise ZeroDivisionError("division by zero, token=ghp_abcdef0123456789")

    monkeypatch.setattr(connectors, "describe", fail)
    yield
    log.configure()


@pytest.mark.usefixtures("faulty")
def test_a_fault_of_ours_is_one_line_and_asks_for_a_report(syncd: Callable[..., Any]) -> None:
    text, document = syncd("connectors"), syncd("connectors", "--json").document

    assert text.code == 1
    assert "ZeroDivisionError: division by zero" in text.err
    assert "this is a fault of syncd; please report it" in text.err
    assert "Traceback" not in text.err
    assert "ghp_" not in text.err
    assert document["kind"] == "ZeroDivisionError"


@pytest.mark.usefixtures("faulty")
def test_the_trace_of_a_fault_is_told_to_whoever_asks(syncd: Callable[..., Any]) -> None:
    said = syncd("--log-level", "debug", "connectors")

    assert "command failed" in said.err
    assert "ZeroDivisionError" in said.err
    assert "test_every_command.py" in said.err
    assert "ghp_" not in said.err
