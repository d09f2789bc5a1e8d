"""The command line as the README and its own help tell it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from typer import Typer
from typer.testing import CliRunner

from syncd.cli import commands
from tests.docs.pages import PAGES, README, ROOT, blocks, code, command_tree, connectors_table, options_of

TREE: Final = command_tree()
LEAVES: Final = sorted(words for words in TREE if not hasattr(TREE[words], "commands"))
COMMON: Final = {"--help", "-h", "--version", "--log-level"}


def syncd(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "syncd", *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def test_help_of_syncd_lists_every_command() -> None:
    told = syncd("--help")

    assert [words for words in TREE if " " not in words and not re.search(rf"^\W+{words} ", told, re.MULTILINE)] == []


@pytest.mark.parametrize("words", sorted(TREE))
def test_help_of_every_command_says_what_it_does_and_what_each_option_means(words: str) -> None:
    app = Typer()
    commands.register(app)

    told = CliRunner().invoke(app, [*words.split(), "--help"])

    assert told.exit_code == 0
    assert (TREE[words].help or "").strip()
    unsaid = [p.opts for p in TREE[words].params if not getattr(p, "help", None) and "--help" not in p.opts]
    assert unsaid == []


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text("utf-8")

    after_syncd = set(re.findall(r"syncd ([a-z]+)", text))
    assert [words for words in LEAVES if words.split()[0] not in after_syncd] == []
    assert [words for words in LEAVES if not re.search(rf"\b{words.split()[-1]}\b", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    lines = [line for span in code(page) for line in span.splitlines()]
    for block in blocks(page, "sh"):
        lines += [part.strip() for line in block.splitlines() for part in line.split("&&")]

    wrong = []
    for line in lines:
        if not (found := re.match(r"(?:\S*/)?syncd ([a-z].*)", line)):
            continue
        command = next(
            (TREE[w] for w in sorted(TREE, key=len, reverse=True) if f"{found[1]} ".startswith(f"{w} ")), None
        )
        if command is None:
            wrong.append(line)
            continue
        known = options_of(command) | COMMON
        wrong += [line for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", found[1]) if option not in known]
    assert wrong == []


def test_options_in_the_table_of_commands_exist() -> None:
    rows = re.findall(r"^\| (`syncd [a-z].*?) \| (.*) \|$", README.read_text("utf-8"), re.MULTILINE)

    wrong = []
    for names, text in rows:
        named = [words for words in TREE if words.split()[0] in re.findall(r"`syncd ([a-z]+)", names)]
        known = {option for words in named for option in options_of(TREE[words])}
        wrong += [(names, option) for option in re.findall(r"--[a-z-]+", names + text) if option not in known]
    assert rows
    assert wrong == []


def test_table_of_connectors_is_what_the_code_generates() -> None:
    expected = connectors_table(json.loads(syncd("connectors", "--json")))

    found = re.search(r"<!-- connectors:begin -->\n(.*)\n<!-- connectors:end -->", README.read_text("utf-8"), re.DOTALL)
    assert found, "README.md has no <!-- connectors:begin --> … <!-- connectors:end -->"
    assert found[1] == expected, f"put this between the marks:\n\n{expected}\n"


def test_readme_installs_the_demo_and_the_tests_with_one_line_each() -> None:
    first, *others = blocks(README, "sh")

    venv, install, demo = (part.strip() for part in first.split("&&"))
    assert venv == "python3 -m venv .venv"
    assert re.fullmatch(r"\.venv/bin/pip install (-q )?-c constraints\.txt \.", install)
    assert demo == ".venv/bin/syncd demo"
    assert any(re.search(r"pip install .*'?\.\[dev\]'? && \.venv/bin/pytest", block) for block in others)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    text = page.read_text("utf-8")

    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
