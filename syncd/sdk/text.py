"""Cutting text to a vendor's limit, in whatever the vendor counts, and never inside what a reader sees as one sign."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

_JOINER: Final = "\u200d"
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_TAGS: Final = range(0xE0020, 0xE0080)  # the letters behind a flag of a region
_REGIONAL: Final = range(0x1F1E6, 0x1F200)  # two of them are a flag


def clip(text: str, limit: int, *, size: Callable[[str], int] = len, mark: str = "…") -> str:
    """Return `text` if its size is within `limit`, else its beginning with `mark` behind it, both together within.

    `size` is what the vendor counts: `len` for characters, `utf8_size` for bytes, `utf16_size` for the units of
    JavaScript and Java; it must add up over the parts of a text.
    """
    if size(text) <= limit:
        return text
    room = limit - size(mark)
    kept = 0
    for sign in signs(text):
        room -= size(sign)
        if room < 0:
            break
        kept += len(sign)
    return text[:kept].rstrip() + mark


def signs(text: str) -> Iterator[str]:
    """Yield what readers take for one character: letters with their accents, emoji with their joiners, flags."""
    start = 0
    for position in range(1, len(text)):
        if not _belongs(text, position, start):
            yield text[start:position]
            start = position
    if text:
        yield text[start:]


def utf8_size(text: str) -> int:
    """Return the size in bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def utf16_size(text: str) -> int:
    """Return the size in units of UTF-16: two for emoji and rare Chinese characters."""
    return len(text) + sum(character > "\uffff" for character in text)


def _belongs(text: str, position: int, start: int) -> bool:
    """Say whether the character at `position` continues the sign that began at `start`."""
    code = ord(text[position])
    if text[position - 1] == _JOINER or text[position] == _JOINER or code in _SKIN_TONES or code in _TAGS:
        return True
    if code in _REGIONAL:
        return position - start == 1 and ord(text[start]) in _REGIONAL
    return unicodedata.category(text[position]) in ("Mn", "Me", "Mc")
