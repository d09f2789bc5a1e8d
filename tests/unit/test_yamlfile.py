"""Files that people edit: a fault is told by file, line and key, in plain words, without what may be a secret."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from syncd import yamlfile
from syncd.errors import ConfigError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    count: Annotated[int, Field(ge=1, le=9)] = 1
    ratio: float = 1.0
    on: date | None = None
    kind: Literal["red", "green"] = "red"
    is_open: bool = True
    source: str = Field(default="", alias="from")
    token: SecretStr = SecretStr("")


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    parts: dict[str, Part] = {}
    rows: list[Part] = []
    first: Part | None = None
    labels: list[str] = Field(default_factory=list, max_length=3)


def file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        yamlfile.load(file(tmp_path, text)).parse(Whole)
    assert caught.value.__cause__ is None or "canary" not in str(caught.value.__cause__)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_sound_file_is_parsed_with_its_aliases(tmp_path: Path) -> None:
    text = "parts:\n  a: {name: A, on: 2026-06-30}\nrows:\n  - name: B\n    from: x\nlabels: [客户可见, '12']\n"

    whole = yamlfile.load(file(tmp_path, text)).parse(Whole)

    assert whole.parts["a"].on == date(2026, 6, 30)
    assert whole.rows[0].source == "x"
    assert whole.labels == ["客户可见", "12"]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    whole = yamlfile.load(file(tmp_path, b"\xef\xbb\xbflabels: [a]\n")).parse(Whole)

    assert whole.labels == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file.yaml:1: the file is empty"),
        ("# only a remark\n", "file.yaml:1: the file is empty"),
        ("- a\n- b\n", "file.yaml:1: the file must hold keys (name: value), not a list"),
        ("just words\n", "file.yaml:1: the file must hold keys (name: value), not a text"),
        (b"labels: [\xd6\xd0]\n", "file.yaml: is not UTF-8 text; save it as UTF-8"),
        ("labels: [a]\nrows: \x00\n", "file.yaml:2: not valid YAML: a character that does not belong into text"),
        (
            "first:\n\tname: x\n",
            "file.yaml:2: not valid YAML: a tab stands where spaces belong; indent with spaces only",
        ),
        ("labels: [a\nrows: []\n", "file.yaml:2: not valid YAML: "),
        (
            "first:\n  name: a: b\n",
            "file.yaml:2: not valid YAML: a colon too many, or a wrong indent; put a text with a colon in quotes",
        ),
        (
            "labels: []\n---\nlabels: []\n",
            "file.yaml:2: not valid YAML: a second document begins (---); keep one per file",
        ),
        ("labels: []\nlabels: []\n", "file.yaml:2: the key 'labels' is there twice; rename or remove one"),
    ],
)
def test_what_is_not_such_a_file_is_told_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        yamlfile.load(tmp_path / "none.yaml")

    assert str(caught.value) == (
        f"{tmp_path}/none.yaml: cannot be read (No such file or directory); check the path and its rights"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labls: []\n", "file.yaml:1: labls: unknown key; did you mean 'labels'? allowed: first, labels, parts, rows"),
        (
            "parts:\n  a:\n    name: A\n    cuont: 2\n",
            (
                "file.yaml:4: parts.a.cuont: unknown key; did you mean 'count'? "
                "allowed: count, from, is_open, kind, name, on, ratio, token"
            ),
        ),
        (
            "rows:\n  - name: A\n  - name: B\n    form: x\n",
            (
                "file.yaml:4: rows.1.form: unknown key; did you mean 'from'? "
                "allowed: count, from, is_open, kind, name, on, ratio, token"
            ),
        ),
        (
            "first:\n  nmae: A\n  name: B\n",
            (
                "file.yaml:2: first.nmae: unknown key; did you mean 'name'? "
                "allowed: count, from, is_open, kind, name, on, ratio, token"
            ),
        ),
        ("first: {count: 2}\n", "file.yaml:1: first.name: is missing"),
        ("first: {name: 12}\n", "file.yaml:1: first.name: must be text: put it in quotes (it is 12)"),
        ("first: {name: true}\n", "file.yaml:1: first.name: must be text: put it in quotes (it is true)"),
        ("first: {name: }\n", "file.yaml:1: first.name: must be text: put it in quotes (it is empty)"),
        (
            "first: {name: 2026-06-30}\n",
            "file.yaml:1: first.name: must be text: put it in quotes (it is 2026-06-30)",
        ),
        ("first: {name: A, count: many}\n", "file.yaml:1: first.count: must be a whole number (it is 'many')"),
        ("first: {name: A, count: 1.5}\n", "file.yaml:1: first.count: must be a whole number (it is 1.5)"),
        ("first: {name: A, count: 0}\n", "file.yaml:1: first.count: must be 1 or more (it is 0)"),
        ("first: {name: A, count: 10}\n", "file.yaml:1: first.count: must be 9 or less (it is 10)"),
        ("first: {name: A, ratio: []}\n", "file.yaml:1: first.ratio: must be a number (it is a list)"),
        ("first: {name: A, on: soon}\n", "file.yaml:1: first.on: must be a date such as 2026-06-30 (it is 'soon')"),
        ("first: {name: A, is_open: maybe}\n", "file.yaml:1: first.is_open: must be true or false (it is 'maybe')"),
        (
            "first: {name: A, kind: gren}\n",
            "file.yaml:1: first.kind: 'gren' is not allowed; did you mean 'green'? allowed: green, red",
        ),
        ("first: {name: A, kind: [red]}\n", "file.yaml:1: first.kind: a list is not allowed; allowed: green, red"),
        ("first: canary\n", "file.yaml:1: first: must hold keys, one a line below it (it is a text)"),
        ("parts:\n", "file.yaml:1: parts: must hold keys, one a line below it (it is empty)"),
        ("rows: {name: canary}\n", "file.yaml:1: rows: must be a list (it is a block of keys)"),
    ],
)
def test_a_wrong_value_is_told_by_line_key_and_what_is_expected(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text) == message


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "labls: []\nrows:\n  - count: 0\n")

    assert [line.split(": ")[0] for line in message.splitlines()] == ["file.yaml:3", "file.yaml:3", "file.yaml:1"]


@pytest.mark.parametrize(
    "text",
    [
        "first:\n  token: {value: canary}\n",
        "first:\n  token: [canary]\n",
        "first:\n  token: canary\n  token: canary-2\n",
        "first:\n  token: *canary\n",
        "first:\n  token: %canary\n",
        "first:\n  token: !canary x\n",
        "first:\n  token: 'canary\n",
        "first:\n  name: canary: canary\n",
        "first: canary\n",
        "rows: canary\n",
        "parts: [canary]\n",
    ],
)
def test_a_fault_shows_no_secret(tmp_path: Path, text: str) -> None:
    assert "canary" not in refusal(tmp_path, text)


def test_a_key_that_was_merged_in_is_told_by_the_line_of_its_block(tmp_path: Path) -> None:
    text = "parts:\n  a: &a {name: A, count: 0}\n  b:\n    <<: *a\n    name: B\n"

    assert refusal(tmp_path, text).splitlines()[1] == "file.yaml:3: parts.b.count: must be 1 or more (it is 0)"


def test_the_line_is_that_of_the_deepest_part_that_is_there(tmp_path: Path) -> None:
    loaded = yamlfile.load(file(tmp_path, "a:\n  b:\n    - c: 1\n    - d: 2\n"))

    assert loaded.line(["a", "b", 1, "d"]) == 4
    assert loaded.line(["a", "b", 1, "none"]) == 4
    assert loaded.line(["a", "b", 7]) == 2
    assert loaded.line([]) == 1
    assert loaded.at([]).endswith("file.yaml:1: file")


def test_a_name_that_does_not_exist_is_answered_with_what_may_be_meant() -> None:
    assert yamlfile.hint("taks", ["tasks", "bugs"]) == "did you mean 'tasks'? allowed: bugs, tasks"
    assert yamlfile.hint("xyz", ["tasks"]) == "allowed: tasks"
    assert yamlfile.hint("xyz", []) == "nothing is allowed here"
