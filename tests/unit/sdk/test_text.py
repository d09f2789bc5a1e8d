"""Cutting text to a vendor's limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.sdk.text import clip, signs, utf8_size, utf16_size


def test_text_within_the_limit_stays_as_it_is() -> None:
    assert clip("周报 10", 5) == "周报 10"


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [(len, 4, "客户门…"), (utf8_size, 9, "客户…"), (utf8_size, 8, "客…"), (utf16_size, 3, "客户…")],
)
def test_text_is_cut_in_what_the_vendor_counts(size: object, limit: int, expected: str) -> None:
    assert clip("客户门户项目", limit, size=size) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sign", ["👩‍💻", "🇨🇳", "👍🏽", "e\u0301", "❤\ufe0f", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f", "𠮷"]
)
def test_what_a_reader_sees_as_one_character_is_never_split(sign: str) -> None:
    assert list(signs(f"a{sign}b")) == ["a", sign, "b"]
    assert clip(f"a{sign}bcdef", len(sign) + 1) == "a…"
    assert clip(f"a{sign}bcdef", len(sign) + 2) == f"a{sign}…"


def test_two_flags_are_two_signs() -> None:
    assert list(signs("🇨🇳🇩🇪")) == ["🇨🇳", "🇩🇪"]


def test_another_mark_may_stand_at_the_cut() -> None:
    assert clip("one two three", 10, mark=" [...]") == "one [...]"


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_the_result_fits_and_begins_like_the_text(text: str, limit: int) -> None:
    cut = clip(text, limit, size=utf16_size)

    assert utf16_size(cut) <= limit
    assert cut == text or text.startswith(cut.removesuffix("…"))
    assert "".join(signs(text)) == text
