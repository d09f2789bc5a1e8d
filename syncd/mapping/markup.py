"""HTML to readable plain text: nothing of it is run, fetched or kept as markup.

The standard library's parser is not used: on broken markup its time grows with the square of the input (20 s for
200 kB), and some of it makes it raise. Every pattern here looks no further than the next `<` or up to the end, once.
"""

from __future__ import annotations

import html as entities
import re
from typing import Final

_HIDDEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style|head|title|template|noscript|iframe|object|svg)\b[^<>]*>.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
# A quoted attribute may hold `>`; what is not well formed ends at its first `>`.
_TAG: Final = re.compile(
    r"(</?[a-zA-Z](?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+>|</?[a-zA-Z][^<>]*>|<[!?][^<>]*>)",
)
_NAME: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)")
_ALTERNATIVE_TEXT: Final = re.compile(r"""\balt\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""", re.IGNORECASE)
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption",
     "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav",
     "ol", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)  # fmt: skip
# int() refuses longer runs of digits, and no character has such a number.
_ENDLESS_ENTITY: Final = re.compile(r"&#[0-9]{8,};?")
_SPACES: Final = re.compile(r"[^\S\n]+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def html_to_text(html: str) -> str:
    """Return the text of `html`: blocks on lines of their own, entities decoded, scripts and styles dropped."""
    parts: list[str] = []
    preformatted = 0
    for index, piece in enumerate(_TAG.split(_HIDDEN.sub("", html))):
        if index % 2 == 0:
            parts.append(_text(piece, keeps_lines=preformatted > 0))
            continue
        if piece.lower().startswith("<pre"):
            preformatted += 1
        elif piece.lower().startswith("</pre"):
            preformatted = max(0, preformatted - 1)
        parts.append(_break(piece))
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(parts).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _text(piece: str, *, keeps_lines: bool) -> str:
    text = _decoded(piece)
    return text if keeps_lines else text.replace("\n", " ")


def _decoded(piece: str) -> str:
    text = entities.unescape(_ENDLESS_ENTITY.sub("\ufffd", piece))
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _break(tag: str) -> str:
    """Return what a tag leaves in the text: a line break, a bullet, a space between cells, an image's own words."""
    found = _NAME.match(tag)
    name = found[1].lower() if found else ""
    if name == "li" and not tag.startswith("</"):
        return "\n- "
    if name in _BLOCKS:
        return "\n"
    if name == "img":
        words = _ALTERNATIVE_TEXT.search(tag)
        return _decoded(words[1] or words[2] or "").replace("\n", " ") if words else ""
    return " " if name in ("td", "th") else ""
