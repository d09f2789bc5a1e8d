"""What holds for every command: help, JSON, exit codes, no terminal needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from syncd import __version__
from syncd.cli import commands

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
