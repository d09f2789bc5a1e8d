"""From CommonMark to Slack's own dialect: sections of lines that cannot mention anybody.

mrkdwn has no headings, tables or nested lists: a heading becomes a bold line, a table row a bullet.
Source: docs.slack.dev/messaging/formatting-message-text, read 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from syncd.sdk.text import clip, utf16_size

LINE_LIMIT: Final = 1000  # besides the marks in front and the names of columns
_ROOM: Final = LINE_LIMIT - 20
_MOST_CELLS: Final = 10
_COLUMN_LIMIT: Final = 60
_URL_LIMIT: Final = 500
_JOINER: Final = "\u2060"  # invisible; between `@` and a word there is then nothing that Slack could call
_CALL: Final = re.compile(r"(?<![\w.])@(?=\w)")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_IN_ADDRESS: Final = str.maketrans({"&": "&amp;", "|": "%7C", "<": "%3C", ">": "%3E", "@": "%40"})
_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(slots=True)
class Section:
    """A heading, None before the first, and its lines in mrkdwn; `is_foot` behind a rule."""

    heading: str | None = None
    lines: list[str] = field(default_factory=list)
    is_foot: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown text taken apart: its title as plain text, and its sections in order."""

    title: str | None
    sections: tuple[Section, ...]


def parse(markdown: str) -> Document:
    """Take CommonMark with tables apart. Every line is complete mrkdwn of at most `LINE_LIMIT` units."""
    walk = _Walk()
    for token in _PARSER.parse(markdown):
        walk.take(token)
    return Document(walk.title, tuple(s for s in walk.sections if s.heading or s.lines))


def escape(text: str) -> str:
    """Return `text` so that Slack shows it and calls nobody; emphasis marks in it cannot be escaped."""
    return quiet(text).translate(_ESCAPES)


def quiet(text: str) -> str:
    """Break up what looks like a mention."""
    return _CALL.sub(f"@{_JOINER}", text)


def plain(text: str, limit: int) -> str:
    """Return `text` for a plain-text object, where nothing is marked up and `<` opens nothing."""
    return clip(quiet(text).replace("<", f"<{_JOINER}"), limit, size=utf16_size)


class _Walk:
    """Goes through the parser's tokens. `numbers` are the open lists: the next number, None under bullets."""

    def __init__(self) -> None:
        self.title: str | None = None
        self.sections = [Section()]
        self._heading: str | None = None
        self._numbers: list[int | None] = []
        self._mark = ""
        self._quotes = 0
        self._columns: list[str] = []
        self._cells: list[str] | None = None

    def take(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self._heading = token.tag
            case "heading_close":
                self._heading = None
            case "bullet_list_open":
                self._numbers.append(None)
            case "ordered_list_open":
                self._numbers.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
                self._mark = ""
            case "list_item_open":
                self._mark = self._next_mark()
            case "blockquote_open":
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1
            case "thead_open":
                self._columns = []
            case "tr_open":
                self._cells = []
            case "tr_close":
                self._row()
            case "hr":
                self.sections.append(Section(is_foot=True))
            case "inline":
                self._inline(token.children or [])
            case "fence" | "code_block" | "html_block":
                self._add(*(_joined([_Piece(line, None)], _ROOM) for line in token.content.splitlines()))

    def _inline(self, children: Sequence[Token]) -> None:
        if self._cells is not None:
            columns = min(len(self._columns), _MOST_CELLS)
            room = _ROOM // max(2, columns) if columns else _COLUMN_LIMIT
            self._cells.append(" ".join(_lines(children, room=room)))
        elif self._heading == "h1" and self.title is None:
            self.title = _plain_text(children)
        elif self._heading:
            self.sections.append(Section(heading=" ".join(_lines(children, is_bold=True))))
        else:
            self._add(*_lines(children))

    def _row(self) -> None:
        """Turn a row into one line: what it is about, then each further cell with the name of its column."""
        cells, self._cells = self._cells or [], None
        if not self._columns:
            self._columns = cells
            return
        first, *others = cells[:_MOST_CELLS] or [""]
        pairs = [f"{name}: {cell}" for name, cell in zip(self._columns[1:], others, strict=False)]
        self._add(f"• {first} — {', '.join(pairs)}" if pairs else f"• {first}")

    def _add(self, *lines: str) -> None:
        for line in lines:
            self.sections[-1].lines.append(f"{'> ' if self._quotes else ''}{self._mark}{line}")
            self._mark = " " * len(self._mark)

    def _next_mark(self) -> str:
        number, indent = self._numbers[-1], "  " * (len(self._numbers) - 1)
        if number is None:
            return f"{indent}• "
        self._numbers[-1] = number + 1
        return f"{indent}{number}. "


def _plain_text(children: Sequence[Token]) -> str:
    return "".join(token.content or " " for token in children if token.type in _TEXTS)


_TEXTS: Final = frozenset({"text", "text_special", "code_inline", "softbreak", "hardbreak"})


def _lines(children: Sequence[Token], *, is_bold: bool = False, room: int = _ROOM) -> list[str]:
    """Return the lines of inline content, each cut to `room`; a bold one is bold as a whole.

    Inside a line no emphasis is written: without spaces around it, as in Chinese, Slack shows its marks instead.
    """
    lines = []
    for pieces in _split(children):
        text = _joined(pieces, room).strip()
        whole = is_bold or all(piece.is_strong for piece in pieces if piece.text.strip())
        lines.append(f"*{text}*" if text and whole and "*" not in text else text)
    return [line for line in lines if line]


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    url: str | None
    is_strong: bool = False


def _split(children: Sequence[Token]) -> Iterator[list[_Piece]]:
    """Yield the pieces of each line, as hard breaks part them."""
    pieces: list[_Piece] = []
    url: str | None = None
    strong = 0
    for token in children:
        match token.type:
            case "hardbreak":
                yield pieces
                pieces = []
            case "strong_open":
                strong += 1
            case "strong_close":
                strong -= 1
            case "link_open":
                url = str(token.attrs.get("href", ""))
            case "link_close":
                url = None
            case kind if kind in _TEXTS or token.content:
                pieces.append(_Piece(" " if kind == "softbreak" else token.content, url, strong > 0))
    yield pieces


def _joined(pieces: Sequence[_Piece], room: int) -> str:
    """Write pieces one after the other until the room is used up; a link stands whole or as its text."""
    written: list[str] = []
    for piece in pieces:
        around = _around(piece.url)
        left = room - sum(map(utf16_size, written)) - sum(map(utf16_size, around))
        if left <= 0:
            around, left = ("", ""), room - sum(map(utf16_size, written))
        if left <= 0:
            break
        text = clip(piece.text, left, size=lambda part: utf16_size(escape(part)))
        written.append(f"{around[0]}{escape(text)}{around[1]}")
        if text != piece.text:
            break
    return "".join(written)


def _around(url: str | None) -> tuple[str, str]:
    if url is None or not url.startswith(("https://", "http://")) or len(url) > _URL_LIMIT:
        return "", ""
    address = url.translate(_IN_ADDRESS)
    return f"<{address}|", ">"
