"""Templates: text with `{path}` in it, and nothing more; a brace is written `{{` or `}}`."""

from __future__ import annotations

import re
from typing import Any, Final

from syncd.mapping import paths
from syncd.mapping.values import text_of

_PIECE: Final = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")


def parse(template: str) -> list[str | paths.Find]:
    """Split a template into texts and compiled paths; ValueError says what is wrong with it."""
    pieces: list[str | paths.Find] = []
    for piece in _PIECE.split(template):
        if piece in ("{", "}"):
            raise ValueError(f"a single {piece!r} in a template; write it twice for the character itself")
        if piece in ("{{", "}}"):
            pieces.append(piece[0])
        elif piece.startswith("{") and piece.endswith("}"):
            pieces.append(paths.compile_path(piece[1:-1]))
        elif piece:
            pieces.append(piece)
    return pieces


def paths_of(template: str) -> tuple[str, ...]:
    """Return the paths that a template names, in order."""
    return tuple(p[1:-1] for p in _PIECE.findall(template) if p not in ("{{", "}}"))


def compile_template(template: str) -> paths.Find:
    """Return the function that fills a template; it gives None when one of its paths does."""
    pieces = parse(template)

    def fill(data: Any) -> str | None:
        texts = []
        for piece in pieces:
            value = piece if isinstance(piece, str) else piece(data)
            if value is None:
                return None
            texts.append(text_of(value))
        return "".join(texts)

    return fill
