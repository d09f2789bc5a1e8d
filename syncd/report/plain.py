"""A view as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from syncd.report.text import quiet_calls
from syncd.report.view import Block, Entry, Table, View

LATE = "▲"
_BAR_CELLS = 20


def write(view: View) -> str:
    """Return the digest as plain text; mentions and links in vendor text are broken up, our own addresses stand."""
    return "\n".join(_lines(view)).strip() + "\n"


def bar(percent: int) -> str:
    """Return the bar in characters."""
    filled = percent * _BAR_CELLS // 100
    return "▓" * filled + "░" * (_BAR_CELLS - filled)


def title(block: Block) -> str:
    """Return the block's title with its count."""
    return block.title if block.count is None else f"{block.title} ({block.count})"


def _lines(view: View) -> Iterator[str]:
    yield from map(quiet_calls, (f"{view.project} · {view.report}", view.account, *view.head))
    if view.banner:
        yield from ("", f"■ {view.banner_title}", *map(quiet_calls, view.banner))
    if view.quiet:
        yield from ("", *map(quiet_calls, view.quiet))
    for block in view.blocks:
        yield from ("", title(block).upper() if title(block).isascii() else f"【{title(block)}】")
        yield from _body(block)
    yield from ("", "--", *([view.foot_title] if view.foot_title else []))
    yield from (quiet_calls(line, view.own_addresses) for line in view.foot)


def _body(block: Block) -> Iterator[str]:
    if block.bar:
        yield f"{bar(block.bar.percent)} {block.bar.percent}% · {block.bar.words}"
    yield from map(quiet_calls, block.sentences)
    numbered = block.kind == "needs_you"
    for group in block.groups:
        if group.name:
            yield quiet_calls(group.name)
        for number, entry in enumerate(group.entries, 1):
            yield f"{f'{number}.' if numbered else '-'} {_entry(entry)}"
    if block.table:
        yield from _table(block.table)
    yield from (line for line in (block.more, block.note) if line)


def _entry(entry: Entry) -> str:
    details = " · ".join(part for part in (*entry.notes, entry.when) if part)
    name = f"{LATE} {entry.title}" if entry.is_late else entry.title
    line = quiet_calls(f"{name} ({details})" if details else name)
    return f"{line} <{entry.url}>" if entry.url else line


def _table(table: Table) -> Iterator[str]:
    for entry, cells in table.rows:
        pairs = [f"{column}: {cell}" for column, cell in zip(table.columns[1:], cells, strict=True)]
        yield f"- {_entry(entry)} — {', '.join(pairs)}"
