"""What people and scripts see: one console for people, one JSON document for scripts, errors with the way out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncd.errors import ConfigError

OK, ATTENTION, CONFIG, INTERRUPTED = 0, 1, 2, 130
_NARROWEST: Final = 100

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
ConfigFolder = Annotated[
    Path, typer.Option("--config", "-c", envvar="SYNCD_CONFIG", help="The folder with syncd.yaml and accounts/.")
]
DEFAULT_CONFIG: Final = Path("config")


def console(*, to_stderr: bool = False) -> Console:
    """Return the console; without a terminal it is wide enough not to break lines, and has no colours."""
    stream = sys.stderr if to_stderr else sys.stdout
    wide = None if stream.isatty() else 160
    return Console(file=stream, width=wide, highlight=False, soft_wrap=not stream.isatty())


def print_json(document: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


def write_file(path: Path, text: str) -> None:
    """Write a file that a person asked for, and the folders it needs; ConfigError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written ({err.strerror or err}); name another file") from err


def table(*columns: str, rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> Table:
    """Return a calm table: no lines, a dim head, numbers to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, name in enumerate(columns):
        made.add_column(name, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(_cell(cell)) for cell in row))
    return made


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def good(text: str) -> Text:
    """Return a text that says that something is well."""
    return Text(text, style="green")


def bad(text: str) -> Text:
    """Return a text that says that something needs a person."""
    return Text(text, style="red")


def warn(text: str) -> Text:
    """Return a text that says that something should be looked at."""
    return Text(text, style="yellow")


def print_error(error: BaseException | str, *, as_json: bool = False, kind: str | None = None) -> None:
    """Print an error: what, where and the way out are in its message; `kind` is for scripts, the class without it."""
    if as_json:
        print_json({"error": str(error), "kind": kind or type(error).__name__})
        return
    out = console(to_stderr=True)
    for number, line in enumerate(str(error).splitlines() or ["unknown error"]):
        out.print(Text("error  " if number == 0 else "       ", style="red bold") + Text(line))


def count(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s when there is not one: `1 write`, `2 writes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shown(facts: Mapping[str, Any]) -> Text:
    """Return facts as `name value` pairs on one line."""
    text = Text()
    for name, value in facts.items():
        if text:
            text.append("   ")
        text.append(f"{name} ", style="dim").append(_cell(value))
    return text
