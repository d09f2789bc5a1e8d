from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from syncd.report.text import TITLE_LIMIT, clean, markdown, markdown_link, quiet_calls, safe_url
from tests.unit.report import hostile

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(source: str) -> str:
    """What a reader of this Markdown sees, joiners taken out; fails if any of it became markup."""
    [opening, inline, closing] = PARSER.parse(source)
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert {token.type for token in inline.children or []} <= {"text", "text_special"}
    return "".join(token.content for token in inline.children or []).replace("\u2060", "")


@given(hostile.TEXT)
@example("[x](javascript:alert(1))")
@example("1. a")
@example("- a")
@example("=== ")
def test_vendor_text_never_becomes_markup_and_reads_as_it_stands(text: str) -> None:
    line = clean(text)

    assert not line or shown(markdown(line)) == line


@given(hostile.TEXT)
def test_vendor_text_stays_one_cell_of_a_table(text: str) -> None:
    line = clean(text) or "x"

    tokens = PARSER.parse(f"| a | b |\n| --- | --- |\n| {markdown(line)} | end |\n")

    cells = [token.children or [] for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert {token.type for token in cells[2]} <= {"text", "text_special"}


@given(hostile.TEXT)
def test_vendor_text_stays_one_item_of_a_list(text: str) -> None:
    line = clean(text) or "x"

    tokens = PARSER.parse(f"- {markdown(line)} – due 5 Mar\n- next\n")

    kinds = [token.type for token in tokens if token.type != "inline"]
    item = ["list_item_open", "paragraph_open", "paragraph_close", "list_item_close"]
    assert kinds == ["bullet_list_open", *item, *item, "bullet_list_close"]


@given(hostile.TEXT)
def test_vendor_text_holds_no_mention_and_no_address_that_a_chat_would_follow(text: str) -> None:
    escaped, plain = markdown(clean(text)), quiet_calls(clean(text))

    for line in (escaped, plain):
        assert not re.search(r"@\w|://|\bwww\.\w|<!\w|#\d", line)
    assert "<" not in escaped


@given(st.text(max_size=2000))
def test_clean_text_is_one_short_printable_line_and_cleaning_is_final(text: str) -> None:
    line = clean(text)

    assert len(line) <= TITLE_LIMIT
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", line)
    assert clean(line) == line
    assert line.encode().decode() == line


def test_a_text_of_five_megabytes_is_cut_without_reading_it_all() -> None:
    assert clean("任务" * 2_500_000) == "任务" * 79 + "任…"


@pytest.mark.parametrize("url", ["https://pm.example/CP-1?a=1&b=2#c", "http://pm.example:8080/中文"])
def test_a_web_address_is_a_link(url: str) -> None:
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "file:///etc/passwd",
        "mailto:a@b.example",
        "https://",
        "https://pm.example@evil.example/",
        "https://pm.example/a b",
        "java\nscript:alert(1)",
        "http://[",
        "https://x/" + "a" * 3000,
    ],
)
def test_anything_else_is_no_link(url: str | None) -> None:
    assert safe_url(url) is None


@given(hostile.TEXT)
def test_an_address_cannot_break_out_of_its_link(text: str) -> None:
    source = markdown_link("title", f"https://pm.example/{text}")

    tokens = PARSER.parse(source)

    inline = tokens[1].children or []
    assert [token.type for token in inline] in (["text"], ["link_open", "text", "link_close"])
    assert all(
        str(token.attrGet("href")).startswith("https://pm.example/") for token in inline if token.type == "link_open"
    )
