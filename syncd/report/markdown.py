"""A view as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from syncd.report import plain
from syncd.report.text import markdown, markdown_link
from syncd.report.view import Block, Entry, Table, View


def write(view: View) -> str:
    """Return the digest as Markdown (CommonMark with tables); vendor text stands in it as it is, never as markup."""
    return "\n".join(_lines(view)).strip() + "\n"


def _lines(view: View) -> Iterator[str]:
    yield from (f"# {markdown(view.project)} · {markdown(view.report)}", "")
    yield from _paragraph((view.account, *view.head))
    if view.banner:
        yield from (f"> **{markdown(view.banner_title)}**  ", *(f"> {markdown(line)}  " for line in view.banner), "")
    if view.quiet:
        yield from _paragraph(view.quiet)
    for block in view.blocks:
        yield from (f"## {markdown(plain.title(block))}", "")
        yield from _body(block)
    yield from ("---", "")
    if view.foot_title:
        yield from (f"**{markdown(view.foot_title)}**", "")
    yield from _paragraph(view.foot, view.own_addresses)


def _body(block: Block) -> Iterator[str]:
    if block.bar:
        yield from (f"{plain.bar(block.bar.percent)} **{block.bar.percent}%** · {markdown(block.bar.words)}", "")
    if block.sentences:
        yield from _paragraph(block.sentences)
    for group in block.groups:
        if group.name:
            yield from (f"**{markdown(group.name)}**", "")
        marks = (f"{n}." if block.kind == "needs_you" else "-" for n in range(1, len(group.entries) + 1))
        yield from (f"{mark} {_entry(entry)}" for mark, entry in zip(marks, group.entries, strict=True))
        yield ""
    if block.table:
        yield from _table(block.table)
    for line in (block.more, block.note):
        if line:
            yield from (markdown(line), "")


def _paragraph(lines: tuple[str, ...], own: tuple[str, ...] = ()) -> Iterator[str]:
    yield from (f"{markdown(line, own)}  " for line in lines)
    yield ""


def _entry(entry: Entry) -> str:
    details = " · ".join(markdown(part) for part in (*entry.notes, entry.when) if part)
    name = markdown_link(entry.title, entry.url)
    marked = f"{plain.LATE} {name}" if entry.is_late else name
    return f"{marked} – {details}" if details else marked


def _table(table: Table) -> Iterator[str]:
    yield _row(markdown(column) for column in table.columns)
    yield _row("---" for _ in table.columns)
    for entry, cells in table.rows:
        yield _row((_entry(entry), *(markdown(cell) for cell in cells)))
    yield ""


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
