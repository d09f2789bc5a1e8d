"""The pages that people read, and what of them a machine can check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
import typer.main

from syncd.cli import commands

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
Command = Any  # of click, or of the copy of it that Typer carries
CONNECTOR_PAGES: Final = sorted((ROOT / "connectors").glob("*/README.md"))
PAGES: Final = [README, *CONNECTOR_PAGES]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [text for kind, text in _FENCE.findall(page.read_text("utf-8")) if kind == language]


def code(page: Path) -> list[str]:
    """Return the code spans between backticks, those in tables included, fenced blocks left out."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", page.read_text("utf-8")))


def command_tree() -> dict[str, Command]:
    """Return every command by its words: `parked retry`."""
    app = typer.Typer()
    commands.register(app)
    return dict(_commands(typer.main.get_command(app), ""))


def _commands(group: Command, before: str) -> Iterator[tuple[str, Command]]:
    for name, command in getattr(group, "commands", {}).items():
        words = f"{before} {name}".strip()
        yield words, command
        yield from _commands(command, words)


def options_of(command: Command) -> set[str]:
    """Return the options that a command takes."""
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def connectors_table(found: list[dict[str, Any]]) -> str:
    """Return the README's table of what `syncd connectors --json` tells."""
    lines = ["| Connector | Role | Reads | Writes |", "|---|---|---|---|"]
    for one in found:
        page = f"[{one['title']}](connectors/{one['name']}/README.md) `{one['name']}`"
        reads = ", ".join(stream["name"] for stream in one["streams"]) or "–"
        writes = ", ".join(f"{op['name']} ({op['delivery']})" for op in one["operations"]) or "–"
        lines.append(f"| {page} | {one['role']} | {reads} | {writes} |")
    return "\n".join(lines)
