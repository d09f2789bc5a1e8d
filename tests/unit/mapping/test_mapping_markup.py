import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.mapping.markup import html_to_text


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("plain", "plain"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n\n- b"),
        ("<table><tr><td>1</td><td>2</td></tr></table>", "1 2"),
        ("a &amp; b &lt;c&gt;&nbsp;&#20013;&#x6587;", "a & b <c> 中文"),
        ("<div>line\n  one</div>", "line one"),
        ("<pre>line\n  one</pre>x\ny", "line\none\nx y"),
        ("a<script>alert('<b>')</script>b<style>p{}</style>", "ab"),
        ("a<SCRIPT >x</Script >b", "ab"),
        ("a<script>never closed", "a"),
        ("a<!-- <p>hidden</p> -->b<!-- open", "ab"),
        ("<!DOCTYPE html><title>t</title><b>a</b>", "a"),
        ('<a href="x" title="a > b">link</a>', "link"),
        ("<p class=don't>a</p>", "a"),
        ('<img src="x" alt="a &quot;plan&quot;"> <img src=x>', 'a "plan"'),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<<p>a", "<\na"),
        ("&#99999999999999999999;&#0;", "\ufffd\ufffd"),
        ("a\x00\x07b", "ab"),
        ("", ""),
    ],
)
def test_html_becomes_readable_text(markup: str, expected: str) -> None:
    assert html_to_text(markup) == expected


def test_markup_that_was_escaped_stays_text() -> None:
    assert html_to_text("&lt;script&gt;alert(1)&lt;/script&gt;") == "<script>alert(1)</script>"


@given(text=st.text())
def test_any_text_comes_through_escaping(text: str) -> None:
    read = html_to_text(html.escape(text))

    assert "".join(read.split()) == "".join(html_to_text(html.escape(read)).split())


@given(text=st.text(st.characters(exclude_characters="<&", exclude_categories=["C", "Z"])))
def test_text_without_markup_is_left_alone(text: str) -> None:
    assert html_to_text(text) == text


@given(
    text=st.lists(st.sampled_from(["<p>", "</p>", "<script>", "</script>", "<!--", "-->", "<", ">", '"', "a ", "&"]))
)
def test_any_markup_gives_clean_lines(text: list[str]) -> None:
    read = html_to_text("".join(text))

    assert read == read.strip()
    assert "\n\n\n" not in read


@pytest.mark.parametrize(
    "piece",
    ["<!", "<!--", "<a", "<", "&", "</", "<![", "<?", "<a b='", '<a "', "<script", "<script>", "<p>", "&#9", " "],
)
def test_broken_markup_of_a_megabyte_takes_no_longer_than_good_markup(piece: str) -> None:
    markup = (piece * 1_000_000)[:1_000_000]
    before = time.process_time()

    html_to_text(markup)

    assert time.process_time() - before < 5
